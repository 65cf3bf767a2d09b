"""What the website's configuration adds to Sphinx's; tests/platforms/test_site.py builds it."""

from types import SimpleNamespace

from vaelib.authoring import conf


def test_badges_become_words_and_the_first_page_gets_the_contents():
    text = "[![Open it](https://example.org/a.svg)](https://example.org) ![alt](figures/a.png)"
    one, first = [text], [text]
    conf.prepare(None, "notebooks/01_data", one)
    conf.prepare(None, "README", first)
    assert one == ["[Open it](https://example.org) ![alt](figures/a.png)"]
    assert first == [one[0] + conf.CONTENTS]


def test_the_first_page_opens_by_the_folder_s_address_unless_the_build_failed(tmp_path):
    (tmp_path / "README.html").write_text("page")
    conf.name_first_page(SimpleNamespace(outdir=tmp_path), ValueError())
    assert not (tmp_path / "index.html").exists()
    hooks = {}
    conf.setup(SimpleNamespace(connect=hooks.__setitem__))
    hooks["build-finished"](SimpleNamespace(outdir=tmp_path), None)
    assert (tmp_path / "index.html").read_text() == "page"
