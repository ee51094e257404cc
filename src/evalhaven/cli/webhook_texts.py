"""Webhooks in a terminal."""

from typing import Any

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.listing import print_facts, print_more, shown_time
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console, print_hint, print_nothing

_WEBHOOK_COLUMNS = (
    Column("webhook"),
    Column("state"),
    Column("format"),
    Column("told of"),
    Column("last arrival (UTC)"),
    Column("name", may_be_cut=True),
    Column("address", may_be_cut=True),
)
_DELIVERY_COLUMNS = (
    Column("delivery"),
    Column("status"),
    Column("attempts", is_figure=True),
    Column("answered"),
    Column("happened (UTC)"),
    Column("event"),
    Column("run"),
    Column("problem", may_be_cut=True),
)
_NO_WEBHOOKS = "There are no webhooks yet. Make one: evalhaven webhooks create https://… --name NAME"


def print_new_webhook(made: dict[str, Any]) -> None:
    """Print a new webhook with its secret."""
    console = plain_console()
    console.print(f"Webhook {made['id']} is told of {_types(made)}.")
    _print_secret(made)
    for warning in made["evalhaven"]["warnings"]:
        console.print(make_printable(warning["message"]))
    print_hint(console, f"Try it: evalhaven webhooks test {made['id']}")


def print_new_secret(rotated: dict[str, Any]) -> None:
    """Print the new secret of a webhook."""
    console = plain_console()
    until = rotated["evalhaven"]["old_secret_until"]
    old = "signs no more" if until is None else f"signs, too, until {shown_time(until)} UTC"
    console.print(f"Webhook {rotated['id']} has a new secret. The old one {old}.")
    _print_secret(rotated)


def print_webhooks(found: dict[str, Any]) -> None:
    """Print a list of webhooks."""
    if not found["data"]:
        print_nothing(_NO_WEBHOOKS)
        return
    console = plain_console()
    print_table(console, _WEBHOOK_COLUMNS, [_webhook_row(each) for each in found["data"]])
    for each in found["data"]:
        more = each["evalhaven"]
        if more["state"] != "ok" and more["problem"]:
            console.print(make_printable(f"{each['id']} is {more['state']}: {more['problem']}."))


def print_deliveries(found: dict[str, Any], limit: int) -> None:
    """Print the log of a webhook."""
    if not found["data"]:
        print_nothing("There is nothing in the log yet: no run has ended since, or none that is asked for.")
        return
    console = plain_console()
    print_table(console, _DELIVERY_COLUMNS, [_delivery_row(each) for each in found["data"]])
    print_more(console, found, limit)


def print_line(line: str, _answer: dict[str, Any]) -> None:
    """Print a line."""
    plain_console().print(make_printable(line))


def _print_secret(made: dict[str, Any]) -> None:
    console = plain_console()
    print_facts(console, {"secret": made["signing_secret"]})
    print_hint(console, "It is shown this once. Receivers verify with it what they are sent.")


def _webhook_row(each: dict[str, Any]) -> list[str]:
    more = each["evalhaven"]
    last = shown_time(more["last_delivered_at"])
    return [each["id"], more["state"], more["format"], _types(each), last, each["name"], each["url"]]


def _delivery_row(each: dict[str, Any]) -> list[str]:
    last: dict[str, Any] = each["attempts"][-1] if each["attempts"] else {}
    status = last.get("status_code")
    answered = "-" if status is None else f"{status} in {last['latency_ms']} ms"
    event = each["event"]
    return [
        each["id"],
        each["status"],
        str(len(each["attempts"])),
        answered,
        shown_time(event["created_at"]),
        event["type"].removeprefix("eval.run."),
        event["run_id"],
        each["problem"] or "",
    ]


def _types(webhook: dict[str, Any]) -> str:
    return ", ".join(each.removeprefix("eval.run.") for each in webhook["event_types"])
