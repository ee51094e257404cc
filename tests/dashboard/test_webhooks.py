"""The pages of webhooks: one is made, tried, followed, turned off and on, and deleted."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.contract.conftest import eval_body, inline_source
from tests.dashboard.conftest import THEMES, enlarge_and_print, judge, opened_tab, picture, settle
from tests.server import Server
from tests.webhook_receiver import WebhookReceiver


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, EVALHAVEN_WEBHOOK_ALLOW_PRIVATE="127.0.0.1").running() as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture
def shown(browser: Browser, server: Server) -> Iterator[Page]:
    with opened_tab(browser, server) as tab:
        yield tab.page
        assert tab.said == []


def test_a_webhook_is_made_tried_followed_and_deleted_on_its_pages(shown: Page, server: Server) -> None:
    with WebhookReceiver() as receiver:
        shown.goto("/ui/evals")
        shown.locator("h1").wait_for()
        shown.keyboard.type("gh")
        expect(shown.get_by_role("heading", name="Nobody is told when a run ends")).to_be_visible()
        settle(shown)
        judge(shown, THEMES)
        picture(shown, "webhooks-none")

        shown.get_by_role("button", name="Create a webhook").click()
        shown.get_by_label("Name").fill("CI <b>bold</b>")
        shown.get_by_label("Address").fill("https://10.0.0.1/")
        shown.get_by_role("button", name="Create", exact=True).click()
        expect(shown.get_by_role("alert")).to_contain_text("is not a public address")
        shown.get_by_label("Address").fill(receiver.hook)
        shown.get_by_role("button", name="Create", exact=True).click()
        secret = shown.get_by_text(re.compile("^whsec_[A-Za-z0-9+/]{43}=$"))
        expect(secret).to_be_visible()
        judge(shown)
        picture(shown, "webhook-secret")
        value = secret.inner_text()
        shown.get_by_role("link", name="Try it").click()

        expect(shown.get_by_role("heading", level=1)).to_have_text("CI <b>bold</b>")
        expect(shown.get_by_text(f"secret whsec_…{value[-4:]}")).to_be_visible()
        assert value not in shown.content()
        shown.get_by_role("button", name="Send a test").click()
        expect(shown.get_by_text("It answered 200.")).to_be_visible()

        receiver.status = 500
        with httpx2.Client(base_url=server.url, timeout=60) as http:
            parent = http.post("/v1/evals", json=eval_body()).json()
            run = http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source()}).json()
        rows = shown.get_by_role("region", name="Deliveries", exact=True).locator("tbody tr")
        expect(rows).to_contain_text("retrying")
        expect(rows).to_contain_text(run["id"])
        expect(shown.get_by_text("The last attempt failed: it answered 500.")).to_be_visible()
        shown.get_by_text(re.compile(r"^\d attempts?$")).click()
        expect(rows).to_contain_text("thanks")
        settle(shown)
        for theme in THEMES:
            shown.emulate_media(color_scheme=theme)
            picture(shown, f"webhook-{theme}")
        judge(shown, THEMES)
        receiver.status = 200
        rows.get_by_role("button", name="Resend").click()
        expect(rows).to_contain_text("delivered")
        enlarge_and_print(shown, "webhook")

        shown.get_by_role("button", name="More actions").click()
        shown.get_by_role("button", name="Turn off").click()
        expect(shown.get_by_text("This webhook is off and is told of nothing.")).to_be_visible()
        expect(rows.get_by_role("button", name="Resend")).to_be_disabled()
        shown.get_by_role("button", name="More actions").click()
        shown.get_by_role("button", name="Turn on").click()
        shown.get_by_role("button", name="Edit").click()
        shown.get_by_label("Name").fill("Nightly")
        shown.get_by_role("button", name="Save").click()
        expect(shown.get_by_role("heading", level=1)).to_have_text("Nightly")
        shown.get_by_role("button", name="More actions").click()
        shown.get_by_role("button", name="Replace the secret").click()
        shown.get_by_role("button", name="Keep the old one for 24 hours").click()
        expect(secret).to_be_visible()
        assert secret.inner_text() != value
        shown.get_by_role("button", name="Done").click()
        expect(shown.get_by_text("The secret before signs, too")).to_be_visible()

        shown.get_by_role("link", name="Webhooks").first.click()
        expect(shown.get_by_role("region", name="Webhooks").locator("tbody tr")).to_contain_text("Nightly")
        settle(shown)
        judge(shown, THEMES)
        picture(shown, "webhooks")
        shown.get_by_role("link", name="Nightly").click()
        shown.get_by_role("button", name="More actions").click()
        shown.get_by_role("button", name="Delete").click()
        shown.get_by_role("button", name="Delete the webhook").click()
        expect(shown.get_by_role("heading", name="Nobody is told when a run ends")).to_be_visible()
