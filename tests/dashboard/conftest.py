"""A real server with runs made through its API, and a real Chromium that looks at it."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.dashboard.tickets import make_tickets
from tests.server import Server, show_server_logs

pytest_runtest_makereport = show_server_logs

_SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"
_AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True)
class Tickets:
    """The example's eval, its run, and a second run whose prompt was changed."""

    eval_id: str
    first: str
    second: str

    def run_page(self, run_id: str) -> str:
        return f"/ui/evals/{self.eval_id}/runs/{run_id}"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's Chromium; nothing is downloaded.

    It ends with the last test here: until then its event loop runs in this thread, and no other test could have one.
    """
    found = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no Chromium: apt install chromium")
    options = ["--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb", "--font-render-hinting=none"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=options)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("dashboard")).running() as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of a browser that was never here, and that fails the test if it reports an error.

    That is an exception, or something that the content security policy refuses.
    """
    context = browser.new_context(
        base_url=server.url,
        viewport={"width": 1280, "height": 1000},
        reduced_motion="reduce",
        locale="en-US",
        timezone_id="UTC",
    )
    opened = context.new_page()
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # The browser itself reports every answer of 4xx; pages show those to their readers.
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            said.append(message.text)

    opened.on("console", hear)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    assert said == []


@pytest.fixture(scope="package")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="package")
def tickets(http: httpx2.Client) -> Tickets:
    return Tickets(*make_tickets(http))


Look = Callable[..., None]


@pytest.fixture
def look(page: Page) -> Look:
    """Return what opens a page in one theme, lets axe judge it, and keeps a picture of it."""

    def look_at(address: str, name: str, theme: str) -> None:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.goto(address)
        page.locator("h1").wait_for()
        settle(page)
        picture(page, f"{name}-{theme}")
        judge(page)

    return look_at


def settle(page: Page) -> None:
    """Return when nothing on the page is still loading."""
    page.locator(".skeleton").first.wait_for(state="detached")
    page.evaluate("document.fonts.ready")


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page in a directory that git ignores."""
    _SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=_SCREENSHOTS / f"{re.sub(r'[^a-z0-9-]', '-', name)}.png")


def judge(page: Page) -> None:
    """Fail where axe finds that somebody cannot use the page."""
    found = Axe().run(page, options={"runOnly": _AXE_RULES}).response["violations"]
    told = [(each["id"], [node["html"][:200] for node in each["nodes"]][:3]) for each in found]
    assert told == []
