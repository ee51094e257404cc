"""A real server with runs made through its API, and a real Chromium that looks at it."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page

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


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Use the machine's Chromium; nothing is downloaded."""
    found = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no Chromium: apt install chromium")
    options = ["--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb", "--font-render-hinting=none"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    return {**browser_type_launch_args, "headless": True, "args": options, "executable_path": found}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "viewport": {"width": 1280, "height": 1000},
        "reduced_motion": "reduce",
        "locale": "en-US",
        "timezone_id": "UTC",
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("dashboard")).running() as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="session")
def base_url(server: Server) -> str:
    """Be where Playwright's relative addresses lead."""
    return server.url


@pytest.fixture(scope="session")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="session")
def tickets(http: httpx2.Client) -> Tickets:
    return Tickets(*make_tickets(http))


@pytest.fixture(autouse=True)
def no_errors_in_the_console(page: Page) -> Iterator[None]:
    """Fail a test whose pages report an error: an exception, or what the content security policy refuses."""
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # The browser itself reports every answer of 4xx; pages show those to their readers.
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            said.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield
    assert said == []


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


def run_until(http: httpx2.Client, eval_id: str, run_id: str, timeout_s: float = 60) -> dict[str, Any]:
    """Return a run when it has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        run = json.loads(http.get(f"/v1/evals/{eval_id}/runs/{run_id}").text)
        if run["status"] not in ("queued", "in_progress"):
            return run
        time.sleep(0.1)
    raise TimeoutError(run_id)
