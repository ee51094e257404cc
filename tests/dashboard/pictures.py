"""Takes the README's pictures: the dashboard with the example's runs, light and dark, into `docs/pictures`."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Page, sync_playwright

from evalhaven.cli.demo import EXAMPLE, FIRST_PROMPT, SECOND_PROMPT, RecordedPrompt
from tests.dashboard.conftest import THEMES, chromium_options, find_chromium, settle
from tests.dashboard.judged import ended, sent
from tests.server import Server

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
MOST_BYTES = 200_000
_WIDTH = 1280
# As a user sees it, whatever port was free.
_SHOWN_AT = "localhost:8765"


def take_pictures(directory: Path) -> list[Path]:
    """Make the example's runs on a server of their own, and return the pictures of their pages."""
    chromium = find_chromium()
    if chromium is None:
        sys.exit("There is no Chromium: apt install chromium.")
    directory.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    with (
        tempfile.TemporaryDirectory(prefix="evalhaven-pictures-") as own,
        Server(Path(own)).running() as server,
        httpx2.Client(base_url=server.url, timeout=60) as http,
        sync_playwright() as playwright,
    ):
        parent = sent(http, "/v1/evals", _json(EXAMPLE / "eval.json"))["id"]
        first, second = (_run(http, parent, prompt) for prompt in (FIRST_PROMPT, SECOND_PROMPT))
        address = f"/ui/evals/{parent}/runs/{second}"
        options = [*chromium_options(), f"--host-resolver-rules=MAP {_SHOWN_AT} 127.0.0.1:{server.port}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(base_url=f"http://{_SHOWN_AT}", reduced_motion="reduce", locale="en-US")
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            for name, at, height in (
                ("report", address, 640),
                ("compare", f"/ui/compare?runs={first}%2C{second}", 760),
            ):
                page.set_viewport_size({"width": _WIDTH, "height": height})
                page.goto(at)
                _show(page, name)
                taken.append(directory / f"{name}-{theme}.png")
                page.screenshot(path=taken[-1])
        browser.close()
    return taken


def _show(page: Page, name: str) -> None:
    """Return when the page shows what its picture is of."""
    settle(page)
    if name == "report":
        page.get_by_role("region", name="Verdict").wait_for()
        page.get_by_role("heading", name="Rate by").wait_for()
    else:
        page.get_by_role("region", name="Items").get_by_text("Side by side").wait_for()
    page.mouse.move(0, 0)
    page.wait_for_load_state("networkidle")
    settle(page)


def _run(http: httpx2.Client, parent: str, prompt: RecordedPrompt) -> str:
    lines = (EXAMPLE / prompt.file).read_text(encoding="utf-8").splitlines()
    source = {"type": "jsonl", "source": {"type": "file_content", "content": [json.loads(line) for line in lines]}}
    return ended(http, sent(http, f"/v1/evals/{parent}/runs", {"name": prompt.run, "data_source": source}))["id"]


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for picture in take_pictures(PICTURES):
        size = picture.stat().st_size
        print(f"{picture}: {size // 1000} KB")  # noqa: T201 - what a user of `make pictures` reads
        if size > MOST_BYTES:
            sys.exit(f"{picture.name} is larger than {MOST_BYTES // 1000} KB.")
