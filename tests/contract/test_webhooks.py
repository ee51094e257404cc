"""`/v1/webhook_endpoints` as the official SDK asks for it, and what tells of deliveries."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, refusal_of
from tests.webhook_receiver import WebhookReceiver

TYPES: list[Any] = ["eval.run.succeeded", "eval.run.failed", "eval.run.canceled"]


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def wait_for(http: httpx2.Client, endpoint_id: str, status: str) -> dict[str, Any]:
    """Return the only delivery to a webhook endpoint once it has a status."""
    deadline = time.monotonic() + 30
    while True:
        page = http.get(f"/api/webhook_endpoints/{endpoint_id}/deliveries").json()
        if [each["status"] for each in page["data"]] == [status]:
            return page["data"][0]
        assert time.monotonic() < deadline, page
        time.sleep(0.05)


def test_a_webhook_endpoint_has_the_published_shape_and_shows_its_secret_once(
    client: openai.OpenAI, http: httpx2.Client
) -> None:
    made = client.webhooks.create(name="CI", url="https://example.org/hook", event_types=TYPES[:2])
    found = client.webhooks.retrieve(made.id)
    document = http.get(f"/v1/webhook_endpoints/{made.id}").json()

    assert re.fullmatch("whe_[0-9a-f]{32}", made.id)
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made.signing_secret)
    assert (made.object, made.name, made.url) == ("webhook_endpoint", "CI", "https://example.org/hook")
    assert made.event_types == TYPES[:2]
    assert abs(made.created_at - time.time()) < 60
    assert made.updated_at == made.created_at
    assert found.signing_secret_hint == made.signing_secret_hint == f"whsec_…{made.signing_secret[-4:]}"
    assert made.signing_secret not in str(document)
    assert document["evalhaven"] == {
        "format": "standard",
        "enabled": True,
        "state": "ok",
        "off_reason": None,
        "failing_since": None,
        "last_delivered_at": None,
        "problem": None,
        "old_secret_until": None,
        "warnings": [],
    }
    client.webhooks.delete(made.id)


def test_webhook_endpoints_are_listed_newest_first_and_paged(client: openai.OpenAI, http: httpx2.Client) -> None:
    made = [client.webhooks.create(name=str(n), url="https://example.org/", event_types=TYPES).id for n in range(3)]
    first = client.webhooks.list(limit=2)

    assert [each.id for each in first.data] == [made[2], made[1]]
    assert [each.id for each in client.webhooks.list(limit=2)][:3] == made[::-1], "the SDK follows the pages"
    assert [each.id for each in client.webhooks.list(after=made[1], limit=1).data] == [made[0]]
    assert refusal_of(http.get("/v1/webhook_endpoints?after=whe_none"))["code"] == "invalid_cursor"
    for each in made:
        gone = client.webhooks.delete(each)
        assert (gone.id, gone.object, gone.deleted) == (each, "webhook_endpoint.deleted", True)
        with pytest.raises(openai.NotFoundError):
            client.webhooks.retrieve(each)


def test_an_update_changes_what_it_names_and_nothing_else(client: openai.OpenAI, http: httpx2.Client) -> None:
    made = client.webhooks.create(name="a", url="https://example.org/", event_types=TYPES)
    renamed = client.webhooks.update(made.id, name="b")
    moved = client.webhooks.update(made.id, url="https://example.org/c", event_types=TYPES[:1])
    off = client.webhooks.update(made.id, extra_body={"evalhaven": {"enabled": False, "format": "slack"}})

    assert (renamed.name, renamed.url, renamed.event_types) == ("b", made.url, TYPES)
    assert (moved.name, moved.url, moved.event_types) == ("b", "https://example.org/c", TYPES[:1])
    shown = http.get(f"/v1/webhook_endpoints/{made.id}").json()["evalhaven"]
    assert (shown["enabled"], shown["state"], shown["off_reason"], shown["format"]) == (False, "off", "user", "slack")
    assert off.signing_secret_hint == made.signing_secret_hint
    assert client.webhooks.update(made.id).updated_at == off.updated_at, "an update that changes nothing is none"
    client.webhooks.delete(made.id)


def test_the_types_of_events_that_happen_here_are_listed_and_others_are_accepted_with_a_warning(
    client: openai.OpenAI, http: httpx2.Client
) -> None:
    made = client.webhooks.create(
        name="a", url="https://example.org/", event_types=["batch.completed", "eval.run.failed"]
    )
    [warning] = http.get(f"/v1/webhook_endpoints/{made.id}").json()["evalhaven"]["warnings"]

    assert client.webhooks.event_types.list().data == TYPES
    assert warning["pointer"] == "/event_types"
    assert "'batch.completed' do not happen here" in warning["message"]
    client.webhooks.delete(made.id)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "https://169.254.169.254/"}, "url"),
        ({"url": 7}, "url"),
        ({"name": ""}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["eval.run.done"]}, "event_types[0]"),
        ({"event_types": "eval.run.failed"}, "event_types"),
        ({"evalhaven": {"format": "irc"}}, "evalhaven.format"),
    ],
)
def test_what_cannot_be_a_webhook_endpoint_is_refused_on_creation_and_update(
    http: httpx2.Client, client: openai.OpenAI, change: dict[str, Any], param: str
) -> None:
    made = client.webhooks.create(name="a", url="https://example.org/", event_types=TYPES)
    body = {"name": "a", "url": "https://example.org/", "event_types": TYPES, **change}
    answers = [
        http.post("/v1/webhook_endpoints", json=body),
        http.post(f"/v1/webhook_endpoints/{made.id}", json=change),
    ]
    client.webhooks.delete(made.id)

    for answer in answers:
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"] == param


def test_a_run_that_ends_is_told_and_the_sdk_verifies_it(
    client: openai.OpenAI,
    http: httpx2.Client,
    make_eval: MakeEval,
    run_to_end: RunToEnd,
    receiver: WebhookReceiver,
) -> None:
    made = client.webhooks.create(name="CI", url=receiver.hook, event_types=TYPES)
    run = run_to_end(make_eval())
    delivery = wait_for(http, made.id, "delivered")
    [told] = [each for each in receiver.told if each.id == delivery["id"]]
    event = client.webhooks.unwrap(told.body, told.headers, secret=made.signing_secret)

    assert (event.type, event.object) == ("eval.run.succeeded", "event")
    assert told.document["data"] == {
        "id": run["id"],
        "evalhaven": {"eval_id": run["eval_id"], "report_url": run["report_url"]},
    }
    assert re.fullmatch("wh_[0-9a-f]{32}", told.id)
    assert re.fullmatch("evt_[0-9a-f]{32}", event.id)
    assert delivery["event"] == {
        "id": event.id,
        "type": event.type,
        "created_at": event.created_at,
        "run_id": run["id"],
    }
    [attempt] = delivery["attempts"]
    assert (attempt["status_code"], attempt["reply"], attempt["problem"]) == (200, "thanks", None)

    again = http.post(f"/api/webhook_endpoints/{made.id}/deliveries/{delivery['id']}/resend").json()
    assert again["status"] == "pending"
    again = wait_for(http, made.id, "delivered")
    assert len(again["attempts"]) == 2
    assert http.get(f"/api/webhook_endpoints/{made.id}/deliveries/{delivery['id']}").json() == again
    client.webhooks.delete(made.id)
    assert http.get(f"/api/webhook_endpoints/{made.id}/deliveries").status_code == 404


def test_a_test_tells_what_was_answered_and_leaves_no_trace(
    client: openai.OpenAI, http: httpx2.Client, receiver: WebhookReceiver
) -> None:
    receiver.status = 503
    made = client.webhooks.create(name="CI", url=receiver.hook, event_types=TYPES)
    result = client.webhooks.test(made.id, event_type="eval.run.failed")
    [told] = receiver.told
    event = client.webhooks.unwrap(told.body, told.headers, secret=made.signing_secret)

    assert (result.object, result.webhook_endpoint_id) == ("webhook_endpoint.test", made.id)
    assert (result.event_type, result.status_code, result.success) == ("eval.run.failed", 503, True)
    assert event.type == "eval.run.failed"
    assert http.get(f"/api/webhook_endpoints/{made.id}/deliveries").json()["data"] == []
    client.webhooks.update(made.id, url="http://127.0.0.1:1/")
    with pytest.raises(openai.BadRequestError, match="did not answer: no connection to 127"):
        client.webhooks.test(made.id, event_type="eval.run.failed")
    client.webhooks.delete(made.id)


def test_a_rotated_secret_is_shown_once_and_the_old_one_may_sign_for_a_day(
    client: openai.OpenAI, http: httpx2.Client, receiver: WebhookReceiver
) -> None:
    made = client.webhooks.create(name="CI", url=receiver.hook, event_types=TYPES)
    rotated = client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    until = http.get(f"/v1/webhook_endpoints/{made.id}").json()["evalhaven"]["old_secret_until"]
    client.webhooks.test(made.id, event_type="eval.run.failed")
    [told] = receiver.told
    for secret in (made.signing_secret, rotated.signing_secret):
        client.webhooks.unwrap(told.body, told.headers, secret=secret)

    assert rotated.signing_secret != made.signing_secret
    assert abs(until - time.time() - 24 * 3600) < 60
    last = client.webhooks.rotate_secret(made.id)
    client.webhooks.test(made.id, event_type="eval.run.failed")
    client.webhooks.unwrap(receiver.told[1].body, receiver.told[1].headers, secret=last.signing_secret)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(receiver.told[1].body, receiver.told[1].headers, secret=rotated.signing_secret)
    client.webhooks.delete(made.id)


def test_slack_is_sent_a_message_that_leads_to_the_report(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, receiver: WebhookReceiver
) -> None:
    body = {"name": "#evals", "url": receiver.hook, "event_types": TYPES, "evalhaven": {"format": "slack"}}
    made = http.post("/v1/webhook_endpoints", json=body).json()
    run = run_to_end(make_eval(name="Tickets"), name="Nightly")
    wait_for(http, made["id"], "delivered")
    http.delete(f"/v1/webhook_endpoints/{made['id']}")
    [told] = receiver.told

    assert told.document["text"] == "✅ Tickets: a run finished"
    assert "1 passed, 0 failed" in told.document["blocks"][0]["text"]["text"]
    assert run["report_url"] in told.document["blocks"][1]["text"]["text"]
    assert told.headers["user-agent"].startswith("Evalhaven/")
