"""The pages of webhooks: one is made, tried, followed, turned off and on, and deleted."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.contract.conftest import eval_body, inline_source
from tests.dashboard.conftest import THEMES, enlarge_and_print, judge, picture, settle
from tests.server import Server
from tests.webhook_receiver import WebhookReceiver


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("webhooks"), EVALHAVEN_WEBHOOK_ALLOW_PRIVATE="127.0.0.1").running() as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        yield opened
        for each in opened.get("/v1/webhook_endpoints").json()["data"]:
            opened.delete(f"/v1/webhook_endpoints/{each['id']}")


SECRET = re.compile("^whsec_[A-Za-z0-9+/]{43}=$")


def test_a_webhook_is_made_tried_and_followed_on_its_pages(page: Page, http: httpx2.Client) -> None:
    with WebhookReceiver() as receiver:
        page.goto("/ui/evals")
        page.locator("h1").wait_for()
        page.keyboard.type("gh")
        expect(page.get_by_role("heading", name="Nobody is told when a run ends")).to_be_visible()
        settle(page)
        judge(page, THEMES)
        picture(page, "webhooks-none")

        page.get_by_role("button", name="Create a webhook").click()
        page.get_by_role("textbox", name="Name", exact=True).fill("CI <b>bold</b>")
        page.get_by_role("textbox", name="Address").fill("https://10.0.0.1/")
        page.get_by_role("button", name="Create", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("is not a public address")
        page.get_by_role("textbox", name="Address").fill(receiver.hook)
        page.get_by_role("button", name="Create", exact=True).click()
        secret = page.get_by_text(SECRET)
        expect(secret).to_be_visible()
        judge(page)
        picture(page, "webhook-secret")
        value = secret.inner_text()
        page.get_by_role("link", name="Try it").click()

        expect(page.get_by_role("heading", level=1)).to_have_text("CI <b>bold</b>")
        expect(page.get_by_text(f"secret whsec_…{value[-4:]}")).to_be_visible()
        assert value not in page.content()
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_text("It answered 200.")).to_be_visible()

        receiver.status = 500
        parent = http.post("/v1/evals", json=eval_body()).json()
        run = http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source()}).json()
        rows = page.get_by_role("region", name="Log", exact=True).locator("tbody tr")
        expect(rows).to_contain_text("retrying")
        expect(rows).to_contain_text(run["id"])
        expect(page.get_by_text("The last attempt failed: it answered 500.")).to_be_visible()
        page.get_by_text(re.compile(r"^\d attempts?$")).click()
        expect(rows).to_contain_text("thanks")
        settle(page)
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            picture(page, f"webhook-{theme}")
        judge(page, THEMES)
        receiver.status = 200
        rows.get_by_role("button", name="Resend").click()
        expect(rows).to_contain_text("delivered")
        enlarge_and_print(page, "webhook")


def test_a_webhook_is_turned_off_and_on_edited_and_deleted_on_its_page(page: Page, http: httpx2.Client) -> None:
    body = {"name": "CI", "url": "https://127.0.0.1:1/", "event_types": ["eval.run.failed"]}
    made = http.post("/v1/webhook_endpoints", json=body).json()
    page.goto(f"/ui/webhooks/{made['id']}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("This webhook is off and is told of nothing.")).to_be_visible()
    expect(page.get_by_role("button", name="Resend all failed")).to_be_disabled()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="Turn on").click()
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Nightly")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nightly")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="Replace the secret").click()
    page.get_by_role("button", name="Keep the old one for 24 hours").click()
    expect(page.get_by_text(SECRET)).to_be_visible()
    assert page.get_by_text(SECRET).inner_text() != made["signing_secret"]
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("The secret before signs, too")).to_be_visible()

    page.get_by_role("link", name="Webhooks").first.click()
    expect(page.get_by_role("region", name="Webhooks").locator("tbody tr")).to_contain_text("Nightly")
    settle(page)
    judge(page, THEMES)
    picture(page, "webhooks")
    page.get_by_role("link", name="Nightly").click()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the webhook").click()
    expect(page.get_by_role("heading", name="Nobody is told when a run ends")).to_be_visible()
