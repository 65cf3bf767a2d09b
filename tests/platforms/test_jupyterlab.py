"""The real JupyterLab in a real browser: run each notebook, move its sliders, do its exercises.

On few images, since it is the page that is tried. Then each is saved, and opened again without
its kernel: where the widgets were there are pictures.
"""

import re
import subprocess
import sys

import nbformat
import pytest
from attempts import EXERCISES, MISTAKES, checker_call, written_out
from bare import ROOT
from browser import (
    chromium,
    draw_stroke,
    missing_pictures,
    move_slider,
    screenshot_on_failure,
    served,
    wait,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from small import FEW_IMAGES, on_other_data

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.timeout(1800)]

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
HAS_PANEL = re.compile(r"show_panel\(|ipywidgets")
NO_NEWS = '{"fetchNews": "false"}'
CELLS = """
const text = (cell, part) => [...cell.querySelectorAll(part)].map(e => e.textContent);
return [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')].map(cell => ({
    prompt: text(cell, '.jp-InputArea-prompt').join(''),
    errors: text(cell, '[data-mime-type="application/vnd.jupyter.error"]'),
    warnings: text(cell, '[data-mime-type="application/vnd.jupyter.stderr"]'),
    pictures: cell.querySelectorAll('.jp-OutputArea-output img').length,
    result: text(cell, '.jp-OutputArea-executeResult .jp-OutputArea-output').join(''),
}));
"""
RAN = r"(\[\d+\]:)?"  # how a cell's prompt is when it has run; a folded cell has none
FIRST_SLIDERS = """
return [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')]
    .map(cell => cell.querySelector('.jupyter-widgets.widget-slider .noUi-handle'))
    .filter(handle => handle);
"""


@pytest.fixture(scope="module")
def folder(repository, tmp_path_factory):
    """A copy of the repository whose notebooks have no outputs, and few images to compute on."""
    folder = tmp_path_factory.mktemp("lab") / "repository"
    subprocess.run(["git", "clone", "--quiet", repository, folder], check=True)
    for path in (folder / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        on_other_data(notebook, FEW_IMAGES)
        nbformat.write(notebook, path)
    return folder


@pytest.fixture(scope="module")
def lab(folder, tmp_path_factory):
    """JupyterLab, as `make lab` starts it; the value is the address of the notebook `{name}`."""
    own = tmp_path_factory.mktemp("jupyter")
    news = own / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text(NO_NEWS)
    command = [sys.executable, "-m", "jupyter", "lab"]
    with served(command, folder, own) as address:
        yield address.format(page="lab/tree/notebooks/{name}") + "&reset"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def cells(browser):
    return browser.execute_script(CELLS)


def choose(browser, menu, entry):
    """Open a menu with the mouse and click one of its entries."""

    def labelled(kind, text):
        found = browser.find_elements(By.CSS_SELECTOR, f".lm-{kind}-itemLabel")
        return next((item for item in found if item.text == text), None)

    wait(browser, 60, lambda _: labelled("MenuBar", menu), f"the menu {menu}").click()
    wait(browser, 20, lambda _: labelled("Menu", entry), f"the entry {entry}").click()


def open_notebook(browser, lab, path):
    browser.get(lab.format(name=path.name))
    n_cells = len(code_cells(path))
    wait(browser, 120, lambda b: len(cells(b)) == n_cells, f"the {n_cells} cells of {path.name}")
    wait(browser, 120, lambda b: "| Idle" in status(b), "an idle kernel")


def status(browser):
    bar = "return document.querySelector('#jp-main-statusbar')?.textContent ?? ''"
    return browser.execute_script(bar)


def shut_down(browser):
    """Shut the kernel down, and wait until it is: a page that opens earlier waits for the dying."""
    choose(browser, "Kernel", "Shut Down Kernel")
    wait(browser, 60, lambda b: "| Idle" not in status(b), "the end of the kernel")


def run_all(browser):
    """Run all cells from the menu, and wait until each has run."""

    def ended(browser):
        return not any("*" in cell["prompt"] for cell in cells(browser))

    def begun(browser):
        return any(re.search(r"\d|\*", cell["prompt"]) for cell in cells(browser))

    choose(browser, "Run", "Run All Cells")
    wait(browser, 60, begun, "the first cell")
    wait(browser, 600, ended, "the end of the last cell")
    prompts = [cell["prompt"] for cell in cells(browser)]
    assert [prompt for prompt in prompts if not re.fullmatch(RAN, prompt)] == [], prompts


@pytest.mark.parametrize("stored", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_in_jupyterlab(stored, lab, browser):
    with screenshot_on_failure(browser, stored.stem):
        open_notebook(browser, lab, stored)
        run_all(browser)
        assert [c["errors"] for c in cells(browser) if c["errors"]] == []
        assert [c["warnings"] for c in cells(browser) if c["warnings"]] == []
        assert as_many_pictures(browser, stored)
        assert missing_pictures(browser, within=".jp-OutputArea") == []
        move_sliders(browser, stored)
        do_exercises(browser, stored)
        choose(browser, "File", "Save Notebook")
        shut_down(browser)
        open_notebook(browser, lab, stored)
        wait(browser, 60, lambda b: as_many_pictures(b, stored), "the pictures that were saved")
        assert missing_pictures(browser, within=".jp-OutputArea") == []
        shut_down(browser)


def as_many_pictures(browser, stored):
    """Whether each cell shows as many pictures as the repository's notebook, or more."""
    expected = stored_pictures(stored)
    assert sum(expected) > 0
    shown = [cell["pictures"] for cell in cells(browser)]
    return all(many >= few for many, few in zip(shown, expected, strict=True))


def stored_pictures(path):
    """How many pictures each code cell of the repository's notebook shows."""
    return [
        sum("image/png" in output.get("data", {}) for output in cell.outputs)
        for cell in code_cells(path)
    ]


def move_sliders(browser, stored):
    """Move the first slider of each panel, and draw where one can; panels must have sliders."""
    handles = wait_for_sliders(browser) if HAS_PANEL.search(code(stored)) else []
    assert browser.execute_script(FIRST_SLIDERS) == handles
    for handle in handles:
        move_slider(browser, handle)
    for pad in browser.find_elements(By.CSS_SELECTOR, ".jp-OutputArea canvas[aria-label]"):
        draw_stroke(browser, pad)
    assert [c["errors"] for c in cells(browser) if c["errors"]] == []


def code(path):
    return "\n".join(cell.source for cell in code_cells(path))


def code_cells(path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def wait_for_sliders(browser):
    return wait(browser, 60, lambda b: b.execute_script(FIRST_SLIDERS), "a slider")


def do_exercises(browser, stored):
    """Answer each exercise first with a usual mistake, then as its folded solution does."""
    wrong = {name: next(iter(attempts)) for name, attempts in MISTAKES.items()}
    for number, cell in enumerate(code_cells(stored)):
        if "-try-" in cell.id:
            name = cell.id.replace("-try", "")
            attempts = {"✗": written_out(name, wrong[name]), "✓": EXERCISES[name][2]}
            for sign, attempt in attempts.items():
                answer(browser, number, f"{attempt}\n\n\n{checker_call(name)}", sign)


def answer(browser, number, source, sign):
    """Replace a cell's text, run it with Shift and Enter, and wait for the checker's verdict."""
    cell = browser.find_elements(By.CSS_SELECTOR, ".jp-NotebookPanel .jp-CodeCell")[number]
    editor = cell.find_element(By.CSS_SELECTOR, ".cm-content")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", editor)
    editor.click()
    editor.send_keys(Keys.CONTROL, "a")
    browser.execute_cdp_cmd("Input.insertText", {"text": source})
    editor.send_keys(Keys.SHIFT, Keys.ENTER)

    def judged(browser):
        now = cells(browser)[number]
        assert now["errors"] == []
        return now["result"].startswith(sign)

    wait(browser, 120, judged, f"{sign} in code cell {number + 1}")
