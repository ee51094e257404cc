"""The dashboard behind a proxy that shows it below a prefix, which only the browser knows."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.conftest import opened_tab, settle
from tests.dashboard.stripping_proxy import PREFIX, StrippingProxy
from tests.dashboard.test_live_runs import cancel, start
from tests.dashboard.tickets import make_tickets
from tests.server import Server

# So that it goes on until it is canceled, on a slow machine, too.
_MANY_ITEMS = 4_000
_WAIT_MS = 60_000


@pytest.fixture(scope="module")
def proxy() -> Iterator[StrippingProxy]:
    with StrippingProxy() as opened:
        yield opened


@pytest.fixture(scope="module")
def prefixed(proxy: StrippingProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose users see it below the proxy's prefix."""
    directory = tmp_path_factory.mktemp("prefixed")
    with Server(directory, EVALHAVEN_PUBLIC_URL=f"{proxy.url}{PREFIX}").running() as running:
        proxy.server_url = running.url
        yield running
        assert "Traceback" not in running.log


def test_the_dashboard_is_walked_below_the_prefix_and_asks_for_nothing_outside(
    browser: Browser, prefixed: Server, proxy: StrippingProxy
) -> None:
    with httpx2.Client(base_url=prefixed.url, timeout=60) as http:
        eval_id, first, second = make_tickets(http)
    asked: list[str] = []
    with opened_tab(browser, prefixed) as tab:
        page = tab.page
        page.on("request", lambda request: asked.append(urlsplit(request.url).path))

        # The root leads to the list, and that to a run, its items, and the comparison.
        page.goto(f"{proxy.url}{PREFIX}/")
        page.get_by_role("rowheader").get_by_role("link", name="Support ticket triage").click()
        page.get_by_role("link", name="Prompt 2").first.click()
        expect(page.get_by_role("region", name="Verdict")).to_contain_text("Better than Prompt 1")
        assert urlsplit(page.url).path == f"{PREFIX}/ui/evals/{eval_id}/runs/{second}"
        page.get_by_role("navigation", name="Run").get_by_role("link", name="Items").click()
        page.locator('[role="row"][aria-rowindex="2"]').wait_for()
        # The tab keeps its icon, though the address has other depths than the one that was loaded.
        assert page.locator('link[rel="icon"]').evaluate("icon => icon.href") == f"{proxy.url}{PREFIX}/ui/favicon.svg"
        page.goto(f"{proxy.url}{PREFIX}/ui/compare?runs={first},{second}&base={first}")
        settle(page)
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Figures and intervals").click()
        assert download.value.url.startswith(f"{proxy.url}{PREFIX}/api/compare?")

        # What programs are told.
        page.goto(f"{proxy.url}{PREFIX}/ui/compare")
        expect(page.get_by_role("region", name="curl snippet")).to_contain_text(f"{proxy.url}{PREFIX}/api/compare?")

        # A link from outside, loaded anew, follows a run by events.
        with httpx2.Client(base_url=f"{proxy.url}{PREFIX}", timeout=60) as http:
            live = start(http, "Followed", _MANY_ITEMS)
            assert live["report_url"].startswith(f"{proxy.url}{PREFIX}/ui/")
            page.goto(live["report_url"])
            with page.expect_response("**/api/events?**") as events:
                page.reload()
            assert events.value.ok
            expect(page.get_by_role("region", name="Progress")).to_contain_text("to come")
            cancel(http, live)
            expect(page.get_by_text("Canceled.")).to_be_visible(timeout=_WAIT_MS)

        # A link of the hosted dashboard leads to the same run, too.
        page.goto(f"{proxy.url}{PREFIX}/evaluation/evals/{eval_id}?run_id={first}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Prompt 1")
        assert urlsplit(page.url).path == f"{PREFIX}/ui/evals/{eval_id}/runs/{first}"
        assert tab.said == []

    assert [each for each in asked if not each.startswith(f"{PREFIX}/")] == []
    assert proxy.outside == []
