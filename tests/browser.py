"""What the browser tests do: serve a page, start Chromium, wait, look, and keep a picture."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bare import ROOT
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

# of JupyterLab's cells, or the classic Notebook's
PICTURES_OF_CELL = """
const cell = arguments[0].closest('.jp-CodeCell, .code_cell');
return [...cell.querySelectorAll('.jp-OutputArea img, .output img')].map(image => image.src);
"""
SCREENSHOTS = ROOT / ".screenshots"
ARGUMENTS = [
    "--headless=new",
    "--window-size=1400,1000",
    "--no-sandbox",  # it would not start for root, as whom CI often runs
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # what is shown comes from here
]


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Start Chromium with a profile of its own; skip where it is not installed."""
    binary = next(filter(None, map(shutil.which, ["chromium", "google-chrome"])), None)
    driver = shutil.which("chromedriver")
    if not (binary and driver):
        missing = "Chromium and its driver are missing (Debian: apt install chromium-driver)."
        if "CI" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)
    options = ChromeOptions()
    options.binary_location = binary
    for argument in [*ARGUMENTS, f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    browser = Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


@contextmanager
def screenshot_on_failure(browser: Chrome, name: str) -> Iterator[None]:
    """Keep a picture of the page as it was when a test failed."""
    try:
        yield
    except BaseException:
        SCREENSHOTS.mkdir(exist_ok=True)
        browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
        raise


def missing_pictures(browser: Chrome, within: str = "body") -> list[str]:
    """Return the sources, shortened, of the pictures that a part of the page could not show."""
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0] + ' img')]"
        ".filter(i => !(i.complete && i.naturalWidth > 0)).map(i => i.src.slice(0, 100))",
        within,
    )


def wait(browser: Chrome, seconds: float, condition: Callable, what: str) -> object:
    """Wait until a condition holds, and return its value."""
    return WebDriverWait(browser, seconds, poll_frequency=1).until(condition, f"waited for {what}")


@contextmanager
def served(command: list, folder: Path, own: Path, **environment: str) -> Iterator[str]:
    """Start a Jupyter server on this machine's loopback; yield the address of its `{page}`.

    It serves `folder`, keeps its settings and its log in `own`, and ends with the test.
    """
    own.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment |= {
        "JUPYTER_TOKEN": secrets.token_hex(16),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("VAELIB_")}
    with (own / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"],
            cwd=folder, env=others | environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_for_port(port, server)
        yield f"http://127.0.0.1:{port}/{{page}}?token={environment['JUPYTER_TOKEN']}"
    finally:
        server.terminate()
        server.wait(60)


def _wait_for_port(port: int, server: subprocess.Popen) -> None:
    for _ in range(120):
        assert server.poll() is None, "the server ended before it answered"
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    pytest.fail("The server did not answer within a minute.")


def move_slider(browser: Chrome, handle: WebElement) -> None:
    """Move a slider by its keys, as a person may; a picture in its cell must follow."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
    with new_picture(browser, handle):
        handle.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)


def draw_stroke(browser: Chrome, pad: WebElement) -> None:
    """Draw a line on the pad with the mouse; a picture in its cell must follow."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", pad)
    with new_picture(browser, pad):
        stroke = ActionChains(browser).move_to_element_with_offset(pad, 10, -60).click_and_hold()
        for _ in range(6):
            stroke = stroke.move_by_offset(-3, 20)
        stroke.release().perform()


@contextmanager
def new_picture(browser: Chrome, element: WebElement) -> Iterator[None]:
    """Wait until a picture in an element's cell is another than before."""
    before = browser.execute_script(PICTURES_OF_CELL, element)
    yield

    def followed(browser: Chrome) -> bool:
        return browser.execute_script(PICTURES_OF_CELL, element) not in (before, [])

    wait(browser, 120, followed, "a new picture")
