"""The website: built as make site does, and read in a browser without a network."""

import re

import pytest
from bare import ADDRESS, PROJECT, ROOT, run, versions
from browser import chromium, missing_pictures, screenshot_on_failure, wait
from selenium.webdriver.common.by import By

pytestmark = [pytest.mark.long, pytest.mark.browser]

NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("0*.ipynb"))]
IMAGES = "return [...document.querySelectorAll('article img')].map(i => [i.src, i.alt])"
COUNT = "return document.querySelectorAll(arguments[0]).length"


@pytest.fixture(scope="module")
def environment(new_environment, tmp_path_factory):
    """What make site adds to .venv, without what is there already."""
    environment = new_environment(tmp_path_factory.mktemp("sphinx") / "venv")
    site = PROJECT["optional-dependencies"]["site"]
    environment.pip("install", "--quiet", "-c", ROOT / "constraints.txt", *site)
    return environment


@pytest.fixture(scope="module")
def site(environment, repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "html"
    [command] = re.findall(r"-m (sphinx .+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    *options, source, _ = command.split()
    run(environment.python, "-m", *options, source, folder, cwd=repository)
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return [site / "index.html", *(site / "notebooks" / f"{name}.html" for name in NAMES)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def targets(page, tags):
    """What a page's tags point to, by href or src."""
    html = page.read_text(encoding="utf-8")
    return re.findall(rf'<(?:{tags})\b[^>]*\b(?:href|src)="([^"]+)"', html)


def test_every_package_that_is_installed_for_it_is_pinned(environment):
    pinned = {re.sub("[-_.]+", "-", p).lower(): v for p, v in versions("constraints.txt").items()}
    brought = {re.sub("[-_.]+", "-", p).lower(): v for p, v in environment.installed().items()}
    own = {"pip", "setuptools"}  # every new environment has them
    assert {p: v for p, v in brought.items() if p not in own and pinned.get(p) != v} == {}


def test_every_link_and_picture_within_the_site_is_there(site, pages):
    found = sorted(site.rglob("*.html"))
    assert set(pages) | {site / "notebooks" / "glossary.html"} <= set(found)
    for page in found:
        inside = [t for t in targets(page, "a|img") if not re.match(r"#|data:|https://", t)]
        lost = [t for t in inside if not (page.parent / re.split("[#?]", t)[0]).is_file()]
        assert lost == [], page.name


def test_nothing_that_a_page_shows_comes_from_elsewhere(pages):
    shown = [t for page in pages for t in targets(page, "img|script|link")]
    assert len(shown) > 20
    assert [t for t in shown if "//" in t] == []


def test_notebooks_open_on_colab_and_binder_from_the_top_of_their_page(pages):
    for page in pages[1:]:
        buttons = "\n".join(targets(page, "a"))
        assert f"{ADDRESS.repo}/blob/{ADDRESS.tag}/notebooks/{page.stem}.ipynb" in buttons
        assert re.search(rf"mybinder\.org/v2/gh/{ADDRESS.repo}/{ADDRESS.tag}\?\S*lab", buttons)


def test_a_search_finds_the_page_of_a_word(site, browser):
    with screenshot_on_failure(browser, "site-search"):
        browser.get((site / "search.html").as_uri() + "?q=Hungarian")
        results = "#search-results li a"
        found = wait(browser, 30, lambda b: b.find_elements(By.CSS_SELECTOR, results), "results")
        addresses = [link.get_attribute("href") for link in found]
        assert any("notebooks/04_classifier.html" in address for address in addresses)
        assert any("notebooks/glossary.html" in address for address in addresses)


def test_the_sides_hold_the_series_and_the_page(pages, browser):
    with screenshot_on_failure(browser, "site-sides"):
        browser.get(pages[-1].as_uri())
        series = browser.execute_script(COUNT, ".bd-sidebar-primary a[href$='.html']")
        here = browser.execute_script(COUNT, ".bd-sidebar-secondary a[href^='#']")
        assert series >= len(NAMES) + 3
        assert here >= 8


def test_badges_became_plain_links(pages):
    html = pages[1].read_text(encoding="utf-8")
    assert re.search(r'<a [^>]*href="https://colab[^"]+01_data\.ipynb">Open in Colab</a>', html)
    assert "badge_logo" not in html


def test_a_reader_walks_from_the_index_to_the_last_page_and_back(site, browser):
    with screenshot_on_failure(browser, "site"):
        browser.get((site / "index.html").as_uri())
        walked = []
        link = browser.find_element(By.CSS_SELECTOR, f"article a[href$='{NAMES[0]}.html']")
        while link is not None:
            assert len(walked) < 20
            browser.get(link.get_attribute("href"))
            walked.append(re.search(r"(\w+)\.html$", browser.current_url)[1])
            link = next_link(browser)
        assert walked == NAMES
        home = browser.find_element(By.CSS_SELECTOR, "a.navbar-brand").get_attribute("href")
        assert home == (site / "README.html").as_uri()


def next_link(browser):
    links = browser.find_elements(By.CSS_SELECTOR, "article a[href$='.html']")
    before = "return arguments[0].previousSibling?.textContent ?? ''"
    return next((a for a in links if browser.execute_script(before, a).endswith("next: ")), None)


def test_every_page_shows_all_its_pictures_and_formulas(pages, browser):
    formulas = {}
    for page in pages:
        with screenshot_on_failure(browser, f"site-{page.stem}"):
            browser.get(page.as_uri())
            shown = browser.execute_script(IMAGES)
            assert len(shown) >= 3, page.name
            assert missing_pictures(browser) == []
            assert all(source.startswith(("data:", "file:")) for source, _ in shown)
            assert [source[:80] for source, alt in shown if len(alt) < 15] == []
            formulas[page.stem] = n = browser.execute_script(COUNT, ".math")
            wait(browser, 60, lambda b, n=n: b.execute_script(COUNT, "mjx-math") == n, "formulas")
            assert browser.execute_script(COUNT, "mjx-merror") == 0
    assert formulas["index"] >= 3
    assert formulas["02_vae_training"] > 50
