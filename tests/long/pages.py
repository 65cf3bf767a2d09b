"""What the browser tests do with a page: start Chromium, wait, look, and keep a picture."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bare import ROOT
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

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
