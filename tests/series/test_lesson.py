"""What makes the notebooks a lesson: their shape, their words, and links that lead somewhere."""

import re
import statistics
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [*ROOT.glob("README.md"), *ROOT.glob("data/README.md"), *ROOT.glob("notebooks/*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def cells(request):
    return nbformat.read(request.param, as_version=4).cells


def text_of(page):
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def outside_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    for heading in HEADING.findall(outside_code(text_of(page))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def lines_of(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def is_figure(cell):
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


@pytest.mark.parametrize("page", PAGES + NOTEBOOKS, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead_not_even_its_anchor_and_every_picture_has_words(page):
    text, dead = outside_code(text_of(page)), []
    for link in LINK.findall(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []
    assert "![](" not in text


def test_every_notebook_links_to_the_glossary():
    assert [path.name for path in NOTEBOOKS if "(glossary.md" not in text_of(path)] == []


def test_glossary_is_in_order_and_leads_back():
    text = text_of(ROOT / "notebooks" / "glossary.md")
    words, _, _ = text.partition("## References")
    entries = re.findall(r"^### (.+?)\n(.*?)(?=^### |\Z)", words, re.MULTILINE | re.DOTALL)
    names = [name.lower() for name, _ in entries]
    assert names == sorted(names)
    assert {"elbo", "kl", "posterior collapse", "active unit", "amortised"} <= set(names)
    assert [name for name, body in entries if ".ipynb)" not in body] == []


def test_every_reference_can_be_found():
    _, _, references = text_of(ROOT / "notebooks" / "glossary.md").partition("## References")
    entries = re.split(r"^### ", references, flags=re.MULTILINE)[1:]
    assert len(entries) >= 8
    for entry in entries:
        assert re.search(r"doi\.org/|arxiv\.org/|openreview|jmlr|papers\.nips", entry), entry


def test_objectives_open_and_are_asked_back(cells):
    first = cells[0].source
    objectives = re.findall(r"^- ", first.partition("**After this notebook you can**")[2], re.M)
    assert 3 <= len(objectives) <= 5
    recall = next(cell.source for cell in cells if "## Can you now" in cell.source)
    assert 3 <= recall.count("<details>") <= 5
    assert recall.count("<details>") == recall.count("</details>")
    assert any("## Takeaways" in cell.source for cell in cells)


def test_a_surprise_is_guessed_first(cells):
    text = "\n".join(cell.source for cell in cells)
    assert len(re.findall("before you run", text, re.IGNORECASE)) >= 2


def test_code_cells_are_short(cells):
    """But for the last one, which lists what was measured, a line each."""
    code = [c for c in cells if c.cell_type == "code" and not c.id.endswith("-results")]
    lengths = [len(lines_of(cell)) for cell in code]
    assert max(lengths) <= 15
    assert statistics.median(lengths) <= 8


def test_every_figure_is_read_before_the_next_one(cells):
    for number, cell in enumerate(cells):
        if cell.cell_type != "code" or not is_figure(cell):
            continue
        after = cells[number + 1 :]
        until_text = next(i for i, c in enumerate(after) if c.cell_type == "markdown")
        assert not any(is_figure(c) for c in after[:until_text]), cell.id
        reading = re.split(r"^#", after[until_text].source, maxsplit=1, flags=re.MULTILINE)[0]
        assert len(reading.split()) >= 20, (cell.id, reading)  # before the next heading


def test_text_and_code_are_about_even(cells):
    """In lines of 100 characters, without the exercises' folded solutions."""
    code = sum(len(lines_of(cell)) for cell in cells if cell.cell_type == "code")
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    prose = re.sub(r"<details>.*?</details>", "", prose, flags=re.DOTALL)
    text = sum(1 + len(line) // 100 for line in prose.splitlines() if line.strip())
    assert 0.5 <= text / code <= 2, (text, code)
