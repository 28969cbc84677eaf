"""A real browser for the pages: Debian's Chromium, driven by Playwright against Django's live server.

Where no Chromium is installed these tests are skipped, unless REQUIRE_BROWSER=1, as in CI. CHROMIUM names another one.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.handlers.wsgi import WSGIHandler
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

# The first is the one without windows of its own, which takes a fifth of the time for each page that is opened.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
# Without these a browser on a machine without a network spends its time looking for its maker's hosts.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=30_000)
PHONE, SMALL, DESKTOP = (360, 760), (320, 640), (1280, 900)
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],  # the rest is most of what it would send
}


@pytest.fixture(autouse=True, scope="session")
def _one_request_at_a_time() -> Iterator[None]:
    """In memory, SQLite has one connection, which the live server's threads share: of two requests at once, one would
    end the other's savepoint. Who waits long goes on all the same, since a request may wait for another one."""
    turn, answer = threading.Lock(), WSGIHandler.__call__

    def in_turn(self: WSGIHandler, *request: Any) -> Any:
        has_turn = turn.acquire(timeout=2)
        try:
            return answer(self, *request)
        finally:
            if has_turn:
                turn.release()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIHandler, "__call__", in_turn)
        yield


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None and os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail("Chromium is required here: install it, or set CHROMIUM.")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine; CI has one and insists on it")
    # Playwright's loop runs in the test's thread, where Django would refuse to talk to a database.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[..., Page]]:
    """Open pages of the live server, each in a browser of its own: `open_page("/docs/orders", size=PHONE, dark=True)`.

    A request to any other host (but those of `also`), a script error or a console error fails the test.
    """
    contexts, wrong = [], []

    def open_page(
        path: str = "/",
        *,
        size: tuple[int, int] = DESKTOP,
        dark: bool = False,
        also: tuple[str, ...] = (),
        **options: Any,
    ) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        page.on(
            "console",
            lambda said: (
                wrong.append(f"console: {said.text}")
                # the browser's own remark on a page of ours that refuses a form
                if said.type == "error" and "the server responded with a status of" not in said.text
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((live_server.url, "data:", "blob:", "about:", *also))
                else wrong.append(f"request to another host: {request.url}")
            ),
        )
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def findings(page: Page) -> list[str]:
    """What axe finds wrong with the page as it stands, under WCAG 2.2 AA: rule, and the first places."""
    page.wait_for_load_state()
    for patience in (500, 2000, 0):  # milliseconds, for what the page's own scripts are about to name
        answer = Axe().run(page, options=RULES)
        if not answer.response["violations"]:
            return []
        page.wait_for_timeout(patience)
    return [
        f"{each['id']}: {each['help']} at {[node['target'] for node in each['nodes'][:3]]}"
        for each in answer.response["violations"]
    ]


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return max(width, 0)


LARGEST_PAGE = 60_000  # bytes
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")
# Both widths and both themes; all four together where pictures are taken.
VIEWS = [(DESKTOP, False), (SMALL, True), *([(DESKTOP, True), (SMALL, False)] if SCREENSHOTS else [])]


def look(page: Page, name: str) -> dict[str, tuple[list[str], int]]:
    """What is wrong with the page as it stands, wide and narrow, in both themes; {} where nothing is.

    Where SCREENSHOTS names a folder (`make screenshots`), a picture of each goes there, under `name`.
    """
    wrong: dict[str, tuple[list[str], int]] = {}
    page.wait_for_load_state()
    if (size_of_page := len(page.content().encode())) > LARGEST_PAGE:
        wrong[f"{name} is too large"] = [], size_of_page
    for size, dark in VIEWS:
        theme = "dark" if dark else "light"
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=theme)
        found = findings(page), overflow(page)
        if found != ([], 0):
            wrong[f"{name}, {size[0]} px, {theme}"] = found
        if SCREENSHOTS:
            width = "desktop" if size == DESKTOP else "phone"
            page.screenshot(path=f"{SCREENSHOTS}/{name}-{width}-{theme}.png", full_page=True)
    page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    page.emulate_media(color_scheme="light")
    return wrong
