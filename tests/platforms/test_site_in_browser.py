"""The website, in a real browser: from the first page to the last, and no picture missing."""

import re

import pytest
from bare import ROOT
from browser import chromium, missing_pictures, screenshot_on_failure
from selenium.webdriver.common.by import By

from vaelib.authoring.site import Site

pytestmark = [pytest.mark.long, pytest.mark.browser]

NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return Site(ROOT, tmp_path_factory.mktemp("site")).build()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def next_link(browser):
    links = browser.find_elements(By.CSS_SELECTOR, "a[href$='.html']")
    before = "return arguments[0].previousSibling?.textContent ?? ''"
    return next((a for a in links if browser.execute_script(before, a).endswith("next: ")), None)


def test_a_reader_walks_from_the_index_to_the_last_page_and_back(pages, browser):
    with screenshot_on_failure(browser, "site"):
        browser.get(pages[0].as_uri())
        walked = []
        link = browser.find_element(By.CSS_SELECTOR, f"a[href='{NAMES[0]}.html']")
        while link is not None:
            assert len(walked) < 20
            link.click()
            walked.append(re.search(r"(\w+)\.html$", browser.current_url)[1])
            link = next_link(browser)
        assert walked == NAMES
        browser.find_element(By.LINK_TEXT, "all notebooks").click()
        assert browser.current_url == pages[0].as_uri()


def test_every_page_shows_all_its_pictures(pages, browser):
    for page in pages:
        with screenshot_on_failure(browser, f"site-{page.stem}"):
            browser.get(page.as_uri())
            shown = browser.execute_script("return [...document.images].map(i => [i.src, i.alt])")
            assert len(shown) >= 3, page.name
            assert missing_pictures(browser) == []
            assert all(source.startswith(("data:", "file:")) for source, _ in shown)
            assert [source[:80] for source, alt in shown if len(alt) < 15] == []


def test_every_link_on_a_page_leads_to_a_page_or_to_a_file_at_the_tag(pages, browser):
    for page in pages:
        browser.get(page.as_uri())
        links = browser.find_elements(By.CSS_SELECTOR, ".jp-RenderedMarkdown a[href]")
        targets = {a.get_attribute("href").split("#")[0] for a in links}
        local = {target for target in targets if target.startswith("file:")}
        assert local <= {other.as_uri() for other in pages}
        assert not [target for target in targets - local if not target.startswith("https://")]
