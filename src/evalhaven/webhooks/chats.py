"""Messages for Slack and Microsoft Teams about the end of a run.

Names are texts of users: they are shown as they are, and can neither link nor call anybody.
"""

from typing import Literal

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.webhooks import Event, WebhookFormat
from evalhaven.stats.rates import Rate
from evalhaven.webhooks.facts import RunFacts

Chat = Literal[WebhookFormat.SLACK, WebhookFormat.TEAMS]

_MOST_CHARS = 300
_MARKS = {"eval.run.succeeded": "✅", "eval.run.failed": "❌", "eval.run.canceled": "⏹️"}
_ENDS = {"eval.run.succeeded": "finished", "eval.run.failed": "failed", "eval.run.canceled": "was canceled"}
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def chat_message(chat: Chat, event: Event, facts: RunFacts | None, url: str | None) -> JsonObject:
    """Return the message about the end of a run.

    Args:
        chat: For which chat.
        event: What happened.
        facts: What there is to say of the run; None if it is deleted.
        url: Where its report is.
    """
    mark, end = _MARKS.get(event.type, ""), _ENDS.get(event.type, event.type)
    if facts is None:
        return _message(
            chat, f"{mark} A run {end}".strip(), [("Run", f"{event.object_id}, which is deleted now")], None
        )
    run, tally = facts.run, facts.run.tally
    lines = [("Eval", facts.parent.name), ("Run", run.name or run.id)]
    if run.model:
        lines.append(("Model", run.model))
    lines.append(("Items", f"{tally.passed} passed, {tally.failed} failed, {tally.errored} without a result"))
    if tally.passed + tally.failed:
        lines.append(("Pass rate", _shown_rate(facts.rate)))
    if run.error is not None:
        lines.append(("Why", run.error.message))
    return _message(chat, f"{mark} {_cut(facts.parent.name)}: a run {end}".strip(), lines, url)


def chat_test(chat: Chat, name: str) -> JsonObject:
    """Return the message that is sent as a test."""
    return _message(chat, "Evalhaven can reach this channel", [("Webhook", name)], None)


def _message(chat: Chat, title: str, lines: list[tuple[str, str]], url: str | None) -> JsonObject:
    lines = [(name, _cut(text)) for name, text in lines]
    return _slack(title, lines, url) if chat is WebhookFormat.SLACK else _teams(title, lines, url)


def _slack(title: str, lines: list[tuple[str, str]], url: str | None) -> JsonObject:
    said = "\n".join([title, *(f"{name}: {value}" for name, value in lines)])
    # No markup is looked for in plain text.
    blocks: list[JsonValue] = [{"type": "section", "text": {"type": "plain_text", "text": said, "emoji": False}}]
    if url is not None:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{url}|Open the report>"}})
    return {"text": title.translate(_SLACK_ESCAPES), "mrkdwn": False, "blocks": blocks}


def _teams(title: str, lines: list[tuple[str, str]], url: str | None) -> JsonObject:
    body: list[JsonValue] = [_run_of_text(title, weight="Bolder", size="Medium")]
    body += [_run_of_text(f"{name}: {value}") for name, value in lines]
    card: JsonObject = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if url is not None:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the report", "url": url}]
    attachment: JsonObject = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _run_of_text(text: str, **style: JsonValue) -> JsonObject:
    # Of the elements of a card, this is the one in which no markup is looked for.
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _shown_rate(rate: Rate) -> str:
    shown = f"{rate.value or 0:.1%}"
    if rate.interval is None:
        return shown
    return f"{shown} (95 % interval {rate.interval.low:.1%} to {rate.interval.high:.1%})"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARS else f"{line[: _MOST_CHARS - 1]}…"
