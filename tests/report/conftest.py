"""Chromium, without a window, driven by Playwright."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.opened import CHROMIUM, DESKTOP, Opened
from tests.trained import TrainedProject


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, trained: TrainedProject, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Return the report in a new tab: DESKTOP, or what the test's parameter says."""
    context = browser.new_context(**getattr(request, "param", DESKTOP))
    report = Opened(context, trained.report)
    yield report
    # Whatever a test has done: nothing was asked for but the page and files made in it, and nothing went wrong.
    assert [url for url in report.requests if url != report.address and not url.startswith("blob:")] == []
    assert report.complaints == []
    context.close()
