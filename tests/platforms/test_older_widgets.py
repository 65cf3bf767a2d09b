"""The panels on ipywidgets 7, as Colab has it, in a page of its time: the classic Notebook."""

import nbformat
import pytest
from bare import ROOT
from browser import (
    PICTURES_OF_CELL,
    chromium,
    draw_stroke,
    missing_pictures,
    move_slider,
    screenshot_on_failure,
    served,
    wait,
)
from selenium.webdriver.common.by import By

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.timeout(600)]

# an untrained model will do: it is the page that is tried
CELLS = [
    """\
import ipywidgets, torch, vaelib
from vaelib import notebook, panels

assert ipywidgets.__version__.startswith("7.")
notebook.set_up()
mnist = vaelib.load("MNIST")
model = vaelib.MLP.build().eval()
known = mnist.train[:300]""",
    """\
panel = panels.LatentPanel(model, mnist.test.images[0], [3, 7])
panels.show_panel(panel, "panel_latents", "sliders")""",
    """\
def probabilities(means):
    return torch.softmax(20 * torch.from_numpy(means[:, :10]), dim=1).numpy()


panel = panels.DigitPanel(model, probabilities, known, mnist.test.images, mnist.classes)
panels.show_panel(panel, "panel_digit", "a digit")""",
]


@pytest.fixture
def address(environments, tmp_path):
    """The classic Notebook, with the versions of Colab; the value is a notebook's address."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "panels.ipynb")
    command = [environments("colab").python, "-m", "notebook"]
    variables = {
        "PYTHONPATH": str(ROOT / "src"),
        "VAELIB_FIGURES": str(tmp_path / "figures"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    with served(command, folder, tmp_path / "jupyter", **variables) as address:
        yield address.format(page="notebooks/panels.ipynb")


def pictures(browser, cell):
    return browser.execute_script(PICTURES_OF_CELL, cell)


def test_both_panels_are_live_and_still(address, tmp_path):
    with chromium(tmp_path / "chromium") as browser, screenshot_on_failure(browser, "widgets-7"):
        browser.get(address)
        # the widgets' extension may come after the kernel, and a widget shown before it is lost
        ready = """
            const kernel = window.Jupyter?.notebook?.kernel;
            return Boolean(kernel?.is_connected() && kernel.widget_manager);"""
        wait(browser, 60, lambda b: b.execute_script(ready), "a kernel and its widgets")
        # at its start the manager asks the kernel for widgets, then draws all cells again, without
        # those shown meanwhile; answers come in turn, so when a second one is here, that is over
        browser.execute_async_script("""
            const manager = Jupyter.notebook.kernel.widget_manager;
            manager._loadFromKernel().then(arguments[0]);""")
        browser.execute_script("Jupyter.notebook.execute_all_cells()")
        handles = wait(
            browser,
            120,
            lambda b: len(h := b.find_elements(By.CSS_SELECTOR, ".ui-slider-handle")) == 3 and h,
            "the three sliders",
        )
        cells = browser.find_elements(By.CSS_SELECTOR, ".code_cell")[1:3]
        # one and three in the widgets, and beside each panel its still picture
        shown = [2, 4]
        wait(browser, 60, lambda b: [len(pictures(b, c)) for c in cells] == shown, "the pictures")
        for handle in (handles[0], handles[2]):
            move_slider(browser, handle)
        draw_stroke(browser, browser.find_element(By.CSS_SELECTOR, "canvas[aria-label]"))
        assert missing_pictures(browser, within=".output") == []
        assert browser.find_elements(By.CSS_SELECTOR, ".output_error, .output_stderr") == []
