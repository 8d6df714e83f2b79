"""A report in a real browser: it works, it can be read by everybody, and it asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.backends import require_backend
from tests.core.report.browser import Browser, Theme, started
from tests.core.report.made_up import full_page, many, page

pytestmark = pytest.mark.browser

TASK, METRIC, VALUE, JOB = 1, 2, 3, 7
MANY = 500


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for the whole module: starting one takes a second."""
    require_backend("browser")
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(shared: Browser) -> Browser:
    """The browser, as wide and as bright as at first."""
    shared.prefer("light")
    shared.narrow(1280)
    return shared


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it."""
    folder = tmp_path_factory.mktemp("full")
    path = folder / "report.html"
    path.write_text(full_page(folder), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of many tasks."""
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_text(page(*many(MANY)), encoding="utf-8")
    return path


def sort_by(browser: Browser, column: int) -> str | None:
    """Use the header of a column of the scores from the keyboard; return how it says that it is sorted."""
    header = f"#scores thead th:nth-child({column})"
    browser.element(f"{header} button").send_keys("\n")
    return browser.element(header).get_attribute("aria-sort")


def look_for(browser: Browser, text: str) -> None:
    field = browser.element("#filter")
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE, text)


def is_dark(browser: Browser) -> bool:
    red, *_ = browser.element("body").value_of_css_property("background-color").removeprefix("rgba(").split(",")
    return int(red) < 128


def test_a_report_asks_for_nothing_but_itself_and_complains_of_nothing(browser: Browser, full: Path) -> None:
    browser.open(full)
    for column in range(1, JOB + 1):
        sort_by(browser, column)
    look_for(browser, "mmlu")
    browser.element("#theme").click()
    assert {url.partition(":")[0] for url in browser.requests()} <= {"file", "data"}
    assert [url for url in browser.requests() if url.startswith("file")] in ([], [full.as_uri()])
    assert browser.complaints() == []


def test_the_console_and_the_requests_would_be_noticed(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<!DOCTYPE html><img src='http://127.0.0.1:9/x.png'><script>throw new Error('boom')</script>")
    browser.open(bad)
    assert any("boom" in text for text in browser.complaints())
    assert "http://127.0.0.1:9/x.png" in browser.requests()


def test_a_header_sorts_by_numbers_and_again_the_other_way(browser: Browser, full: Path) -> None:
    browser.open(full)
    values = [float(text) for text in browser.column(VALUE)]
    assert sort_by(browser, VALUE) == "ascending"
    assert [float(text) for text in browser.column(VALUE)] == sorted(values)
    assert sort_by(browser, VALUE) == "descending"
    assert [float(text) for text in browser.column(VALUE)] == sorted(values, reverse=True)
    assert sort_by(browser, TASK) == "ascending"
    assert len(browser.run("return document.querySelectorAll('#scores [aria-sort]')")) == 1
    tasks = browser.column(TASK)
    assert tasks == sorted(tasks, key=str.lower)


def test_what_has_no_value_comes_last_either_way(browser: Browser, full: Path) -> None:
    browser.open(full)
    for _ in range(2):
        sort_by(browser, 5)
        assert [text == "" for text in browser.column(5)][-2:] == [True, True]


def test_the_filter_leaves_what_has_every_word(browser: Browser, full: Path) -> None:
    browser.open(full)
    look_for(browser, "mmlu PHYSICS")
    assert browser.column(TASK) == ["mmlu_pro_physics"] * 2
    assert browser.column(TASK, "#comparison table") == ["mmlu_pro_physics"]
    assert browser.element("#found").text == "2 scores"
    assert (
        browser.run("return [...document.querySelectorAll('.plot li')].filter(li => li.checkVisibility()).length") == 1
    )
    assert not browser.element(".failure").is_displayed()
    look_for(browser, "no such thing")
    assert browser.column(TASK) == []
    look_for(browser, "")
    assert len(browser.column(TASK)) == 16


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_report_is_dark_or_light_as_the_reader_is_until_the_button_is_used(
    theme: Theme, browser: Browser, full: Path
) -> None:
    browser.prefer(theme)
    browser.open(full)
    assert is_dark(browser) is (theme == "dark")
    browser.element("#theme").click()
    assert is_dark(browser) is (theme == "light")
    browser.element("#theme").click()
    assert is_dark(browser) is (theme == "dark")


@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_anybody_from_reading(theme: Theme, width: int, browser: Browser, full: Path) -> None:
    browser.prefer(theme)
    browser.narrow(width)
    browser.open(full)
    sort_by(browser, VALUE)
    browser.run("for (const fold of document.querySelectorAll('details')) fold.open = true")
    browser.run("document.documentElement.classList.add('filtering')")  # lays out what is off the screen, too
    assert browser.barriers() == []


def test_a_barrier_would_be_noticed(browser: Browser, full: Path) -> None:
    browser.open(full)
    browser.run("document.querySelector('h1').style.color = '#eeeeee'; document.querySelector('label').remove()")
    found = browser.barriers()
    assert any(text.startswith("color-contrast") for text in found)


@pytest.mark.parametrize("width", [1280, 500])
def test_a_page_is_never_wider_than_the_window(width: int, browser: Browser, full: Path) -> None:
    browser.narrow(width)
    browser.open(full)
    browser.run("for (const fold of document.querySelectorAll('details')) fold.open = true")
    assert browser.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_link_to_a_job_opens_its_provenance(browser: Browser, full: Path) -> None:
    browser.open(full)
    browser.element("#failures .failure h3 a").click()
    browser.until(lambda: browser.element("#job-11 dl").is_displayed())


def test_printing_opens_what_is_folded_and_closes_it_again(browser: Browser, full: Path) -> None:
    browser.open(full)
    folded = "return document.querySelectorAll('details.job:not([open])').length"
    before = browser.run(folded)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(folded) == 1  # the configuration
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run(folded) == before


def test_without_scripts_everything_is_there_and_no_control_that_does_nothing(browser: Browser, full: Path) -> None:
    try:
        browser.open(full, scripts=False)
        assert not browser.element(".tools").is_displayed()
        assert browser.element("#scores tbody tr").is_displayed()
        assert not browser.driver.find_elements("css selector", "th button")
        assert "ConnectionError" in browser.element("#failures pre").text
    finally:
        browser.open(full)


def test_a_report_of_many_tasks_loads_sorts_and_filters(browser: Browser, long: Path) -> None:
    browser.open(long)
    assert len(browser.column(TASK)) == 2 * (MANY - MANY // 10)
    sort_by(browser, VALUE)
    values = [float(text) for text in browser.column(VALUE)]
    assert values == sorted(values)
    look_for(browser, "_123 f1")
    assert len(browser.column(TASK)) == 1
    assert browser.complaints() == []


def test_of_many_plots_only_those_near_the_screen_are_laid_out(browser: Browser, long: Path) -> None:
    browser.open(long)
    browser.element("#plots").location_once_scrolled_into_view  # noqa: B018 - a property that scrolls
    laid_out = (
        "return [...document.querySelectorAll('.block')].filter("
        "block => block.querySelector('li').checkVisibility({contentVisibilityAuto: true})).length"
    )
    browser.until(lambda: 0 < browser.run(laid_out) < 5)
    assert len(browser.run("return document.querySelectorAll('.block')")) == 18
