"""A real server with runs made through its API, and a real Chromium that looks at it."""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect, sync_playwright

from tests.dashboard.held import HeldAnswers
from tests.dashboard.judged import CONFIG
from tests.dashboard.tickets import make_tickets
from tests.server import SLOW_ENDPOINT, Server, show_server_logs

pytest_runtest_makereport = show_server_logs

_SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"
# What a test waits for comes later on a busy machine; only a test that fails takes so long.
_PATIENCE_MS = 30_000
_VIEWPORT: ViewportSize = {"width": 1280, "height": 1000}
_AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOUR_RULES = ["color-contrast", "link-in-text-block"]

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")


@dataclass(frozen=True)
class Tickets:
    """The example's eval, its run, and a second run whose prompt was changed."""

    eval_id: str
    first: str
    second: str

    def run_page(self, run_id: str) -> str:
        return f"/ui/evals/{self.eval_id}/runs/{run_id}"


@dataclass(frozen=True)
class Tab:
    """A page and the errors it has reported: exceptions, and what the content security policy refuses."""

    page: Page
    said: list[str]


def find_chromium() -> str | None:
    """Return the machine's Chromium; None if it has none."""
    return os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("chromium-browser")


def chromium_options() -> list[str]:
    """Return with which options it shows the same on each machine."""
    options = ["--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb", "--font-render-hinting=none"]
    return [*options, "--no-sandbox"] if os.geteuid() == 0 else options


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; nothing is downloaded.

    It ends with the last test here: until then its event loop runs in this thread, and no other test could have one.
    """
    found = find_chromium()
    if found is None:
        pytest.skip("there is no Chromium: apt install chromium")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=chromium_options())
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def held() -> Iterator[HeldAnswers]:
    with HeldAnswers() as endpoint:
        yield endpoint


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, held: HeldAnswers) -> Iterator[Server]:
    """The server of all tests here, with the rules of `judged.py`, the slow model and the one that can be held.

    Its runs are those of whatever was tested before: a test that counts them starts a server of its own.
    """
    config = CONFIG + SLOW_ENDPOINT + held.config
    with running_server(tmp_path_factory.mktemp("dashboard"), config) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser: Browser, server: Server) -> Iterator[Tab]:
    """A tab that the tests of a module share, since most of a page's cost is the process that a new one begins."""
    with opened_tab(browser, server) as opened:
        yield opened


@pytest.fixture
def page(tab: Tab) -> Iterator[Page]:
    """The module's tab, as if nobody had been here; the test fails if the page reports an error.

    What cannot be taken back, such as a listener, an exposed function or a clock, is for `fresh_page`.
    """
    shown = tab.page
    shown.emulate_media(color_scheme="light", media="screen")
    shown.set_viewport_size(_VIEWPORT)
    shown.mouse.move(0, 0)
    tab.said.clear()
    yield shown
    shown.unroute_all()
    if shown.url.startswith("http"):
        shown.evaluate("localStorage.clear()")
    assert tab.said == []


@pytest.fixture
def fresh_page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of a browser that was never here; the test fails if it reports an error."""
    with opened_tab(browser, server) as opened:
        yield opened.page
    assert opened.said == []


@contextlib.contextmanager
def opened_tab(browser: Browser, server: Server) -> Generator[Tab]:
    """Open a tab, and close it at the end."""
    with browser.new_context(
        base_url=server.url, viewport=_VIEWPORT, reduced_motion="reduce", locale="en-US", timezone_id="UTC"
    ) as context:
        opened = Tab(context.new_page(), [])

        def hear(message: ConsoleMessage) -> None:
            # The browser itself reports every answer of 4xx; pages show those to their readers.
            if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
                opened.said.append(message.text)

        opened.page.on("console", hear)
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        yield opened


@contextlib.contextmanager
def running_server(directory: Path, config: str | None = None, **environment: str) -> Generator[Server]:
    """Run a server; a failure that it did not expect is in its log, and fails whoever used it."""
    if config is not None:
        path = directory / "evalhaven.toml"
        path.write_text(config, encoding="utf-8")
        environment["EVALHAVEN_CONFIG"] = str(path)
    with Server(directory, **environment).running() as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    """A client of the server of all tests here, or of the one that a module has instead."""
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="package")
def tickets(server: Server) -> Tickets:
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        return Tickets(*make_tickets(opened))


Look = Callable[[str, str], None]


@pytest.fixture
def look(page: Page) -> Look:
    """Return what opens a page, lets axe judge it in both themes, and keeps a picture of each."""

    def look_at(address: str, name: str) -> None:
        page.goto(address)
        page.locator("h1").wait_for()
        settle(page)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            picture(page, f"{name}-{theme}")
        judge(page, THEMES)

    return look_at


def settle(page: Page) -> None:
    """Return when the page is there and nothing on it is still loading."""
    page.locator("h1").first.wait_for()
    page.locator(".skeleton").first.wait_for(state="detached")
    page.evaluate("document.fonts.ready")


def visit(page: Page, address: str) -> None:
    """Go to another address of the dashboard as its links do, which is cheaper by far than to load it anew."""
    page.evaluate(
        "address => { history.pushState(null, '', address); dispatchEvent(new PopStateEvent('popstate')) }", address
    )


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page in a directory that git ignores, unless nobody will look at it."""
    if os.environ.get("EVALHAVEN_REQUIRE_ALL"):
        return
    _SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=_SCREENSHOTS / f"{re.sub(r'[^a-z0-9-]', '-', name)}.png")


def enlarge_and_print(page: Page, name: str) -> None:
    """Fail where a page is wider than a window at 200 %, or prints what only a screen needs; keep a picture of each."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 640, "height": 500})
    picture(page, f"{name}-200-percent")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size(_VIEWPORT)
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.get_by_text(re.compile("^Evalhaven · .* printed "))).to_be_visible()
    picture(page, f"{name}-print")
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="screen")


def judge(page: Page, themes: Sequence[Theme] = ("light",)) -> None:
    """Fail where axe finds that somebody cannot use the page.

    Only colours depend on the theme: in a second one only they are judged.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: list[Any] = []
    for number, theme in enumerate(themes):
        page.emulate_media(color_scheme=theme)
        rules = {"type": "rule", "values": _COLOUR_RULES} if number else {"type": "tag", "values": _AXE_TAGS}
        options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
        violations = page.evaluate("async options => (await axe.run(options)).violations", options)
        found += [(theme, each["id"], [node["html"][:200] for node in each["nodes"]][:3]) for each in violations]
    assert found == []
