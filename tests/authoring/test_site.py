"""The website as files; tests/platforms/test_site_in_browser.py walks through it in a browser."""

import re
from pathlib import Path

import pytest

from vaelib.authoring import links
from vaelib.authoring.site import Site

ROOT = Path(__file__).parents[2]
ADDRESS = links.read_address((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return Site(ROOT, tmp_path_factory.mktemp("site")).build()


def targets(page, attribute):
    html = page.read_text(encoding="utf-8")
    return re.findall(rf'<(?:a|img)\b[^>]*\b{attribute}="([^"]+)"', html)


def test_there_is_a_page_for_the_readme_and_for_each_notebook(pages):
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [page.stem for page in pages] == ["index", *notebooks]


def test_every_link_and_picture_within_the_site_is_there(pages):
    for page in pages:
        found = targets(page, "href") + targets(page, "src")
        inside = [t for t in found if not re.match(r"#|data:|https://", t)]
        assert len(inside) >= 2, page.name
        assert [t for t in inside if not (page.parent / t).is_file()] == []


def test_no_picture_comes_from_elsewhere(pages):
    assert [t for page in pages for t in targets(page, "src") if t.startswith("http")] == []


def test_other_files_are_linked_at_the_tag(pages):
    assert ADDRESS.page("LICENSE") in targets(pages[0], "href")
    assert ADDRESS.page("data/README.md") in targets(pages[0], "href")


def test_badges_became_plain_links(pages):
    html = pages[1].read_text(encoding="utf-8")
    assert re.search(r'<a href="https://colab[^"]+01_data\.ipynb">Open in Colab</a>', html)
    assert "badge_logo" not in html


def test_what_looks_like_a_link_but_leads_nowhere_is_left_alone(tmp_path):
    site = Site(ROOT, tmp_path)
    text = r"$\mathbb E\big[x](z)$ and [a page](https://example.org/a.ipynb)"
    assert site._with_links(text, ROOT) == text
