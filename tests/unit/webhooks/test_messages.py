"""Facts about what webhooks are sent."""

import json
from typing import Any

import pytest

from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.tallies import Tally
from evalhaven.domain.webhooks import Event, Webhook, WebhookFormat
from evalhaven.webhooks.envelopes import body_of, sample_body_of
from evalhaven.webhooks.facts import RunFacts
from tests.unit.storage.stored import make_eval, make_run
from tests.unit.webhooks.made import make_webhook

EVENT = Event(7, "eval.run.succeeded", f"evalrun_{1:032x}", 1_750_287_018)
BASE = "https://evals.example.org"


def facts_of(**changes: Any) -> RunFacts:
    parent = make_eval(name="Tickets <!channel> *now* [x](https://evil.example)")
    tally = Tally(passed=84, failed=16, errored=2)
    values: dict[str, Any] = {"name": "Nightly", "model": "small", "tally": tally, **changes}
    run: Run = make_run(parent, **values)
    return RunFacts(run, parent)


def texts_in(document: Any) -> list[str]:
    """Return all strings in a document."""
    if isinstance(document, dict):
        return [text for value in document.values() for text in texts_in(value)]
    if isinstance(document, list):
        return [text for value in document for text in texts_in(value)]
    return [document] if isinstance(document, str) else []


def sent_to(webhook: Webhook, facts: RunFacts | None = None, event: Event = EVENT) -> dict[str, Any]:
    return json.loads(body_of(webhook, event, facts, BASE))


def test_an_event_has_the_published_envelope_and_leads_to_its_run() -> None:
    facts = facts_of()
    told = sent_to(make_webhook(), facts)

    assert told == {
        "object": "event",
        "id": EVENT.id,
        "type": "eval.run.succeeded",
        "created_at": 1_750_287_018,
        "data": {
            "id": facts.run.id,
            "evalhaven": {
                "eval_id": facts.parent.id,
                "report_url": f"{BASE}/ui/evals/{facts.parent.id}/runs/{facts.run.id}",
            },
        },
    }
    assert sent_to(make_webhook())["data"] == {"id": EVENT.object_id}, "of a deleted run"


@pytest.mark.parametrize("chat", [WebhookFormat.SLACK, WebhookFormat.TEAMS])
def test_a_chat_shows_eval_run_counts_rate_and_report(chat: WebhookFormat) -> None:
    facts = facts_of()
    texts = texts_in(sent_to(make_webhook(format=chat), facts))
    shown = "\n".join(texts)

    assert facts.parent.name in shown
    assert "Run: Nightly" in shown
    assert "Model: small" in shown
    assert "84 passed, 16 failed, 2 without a result" in shown
    assert "84.0% (95 % interval 75.6% to 89.9%)" in shown
    assert f"{BASE}/ui/evals/{facts.parent.id}/runs/{facts.run.id}" in shown


def test_a_name_can_neither_call_a_channel_nor_link() -> None:
    slack = sent_to(make_webhook(format=WebhookFormat.SLACK), facts_of())
    card = sent_to(make_webhook(format=WebhookFormat.TEAMS), facts_of())["attachments"][0]["content"]

    assert "<!" not in slack["text"]
    assert slack["mrkdwn"] is False
    assert [each["text"]["type"] for each in slack["blocks"]] == ["plain_text", "mrkdwn"]
    assert "evil" not in slack["blocks"][1]["text"]["text"]
    assert {each["type"] for each in card["body"]} == {"RichTextBlock"}, "in which no markup is looked for"


@pytest.mark.parametrize("chat", [WebhookFormat.SLACK, WebhookFormat.TEAMS])
def test_a_chat_is_told_why_a_run_failed_and_of_what_is_gone(chat: WebhookFormat) -> None:
    webhook = make_webhook(format=chat)
    failed = Event(8, "eval.run.failed", EVENT.object_id, 1000)
    facts = facts_of(error=ItemError("budget", "It has spent\nits budget. " + "x" * 5000), tally=Tally())
    shown = "\n".join(texts_in(sent_to(webhook, facts, failed)))
    gone = "\n".join(texts_in(sent_to(webhook, None, Event(9, "eval.run.canceled", "evalrun_2", 1000))))

    assert "a run failed" in shown
    assert "Why: It has spent its budget. xxx" in shown
    assert len(shown) < 1500
    assert "Pass rate" not in shown
    assert "evalrun_2, which is deleted now" in gone


@pytest.mark.parametrize("format_", list(WebhookFormat))
def test_a_test_says_that_it_is_one(format_: WebhookFormat) -> None:
    sample = json.loads(sample_body_of(make_webhook(format=format_), "eval.run.failed", "evt_1", 1000))
    if format_ is WebhookFormat.STANDARD:
        assert sample["data"] == {"id": "evalrun_test", "evalhaven": {"test": True}}
        assert (sample["object"], sample["type"]) == ("event", "eval.run.failed")
    else:
        assert "Evalhaven can reach this channel" in "\n".join(texts_in(sample))


def test_ids_are_the_same_for_an_event_and_differ_between_events() -> None:
    other = Event(8, EVENT.type, EVENT.object_id, EVENT.created_at)

    assert EVENT.id == Event(7, EVENT.type, EVENT.object_id, EVENT.created_at).id
    assert EVENT.id != other.id
    assert EVENT.id.startswith(f"evt_{EVENT.created_at:08x}")
