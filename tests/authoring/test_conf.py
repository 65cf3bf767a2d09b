"""What the website's configuration adds to Sphinx's; tests/platforms/test_site.py builds it."""

import json
from types import SimpleNamespace

from vaelib.authoring import conf


def test_badges_become_words_and_the_first_page_gets_the_contents():
    text = "[![Open it](https://example.org/a.svg)](https://example.org) ![alt](figures/a.png)"
    one, first = [text], [text]
    conf.prepare(None, "notebooks/01_data", one)
    conf.prepare(None, "README", first)
    assert one == ["[Open it](https://example.org) ![alt](figures/a.png)"]
    assert first == [one[0] + conf.CONTENTS]


def test_the_set_up_cell_is_left_out_and_a_long_one_folded():
    def cell(name, source, kind="code", shown="stream"):
        outputs = [{"output_type": shown}]
        return {"cell_type": kind, "id": name, "metadata": {}, "source": source, "outputs": outputs}

    long = ["x = 1\n"] * (conf.LONG + 1)
    cells = [
        cell("01-00", ["# title"], "markdown"),
        cell("01-set-up", ["import vaelib"]),
        cell("01-short", long[1:], shown="display_data"),
        cell("01-method", long),
        cell("01-results", long, shown="display_data"),
    ]
    page = [json.dumps({"cells": cells})]
    conf.prepare(None, "notebooks/01_data", page)
    tags = [c["metadata"].get("tags") for c in json.loads(page[0])["cells"]]
    assert tags == [None, ["remove-cell"], None, None, ["hide-input"]]


def test_the_first_page_opens_by_the_folder_s_address_unless_the_build_failed(tmp_path):
    (tmp_path / "README.html").write_text("page")
    conf.name_first_page(SimpleNamespace(outdir=tmp_path), ValueError())
    assert not (tmp_path / "index.html").exists()
    hooks = {}
    conf.setup(SimpleNamespace(connect=hooks.__setitem__))
    hooks["build-finished"](SimpleNamespace(outdir=tmp_path), None)
    assert (tmp_path / "index.html").read_text() == "page"
