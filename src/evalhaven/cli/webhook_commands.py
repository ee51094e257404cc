"""`evalhaven webhooks …`: who is told when runs end."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, Limit, Project, ServedDataDir, Url
from evalhaven.cli.groups import NounCommands
from evalhaven.cli.references import settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 it is done, 64 the command line is wrong, 70 the server does not answer, or refuses."

webhook_commands = typer.Typer(
    cls=NounCommands, help="Have your own service, Slack or Teams told when runs end. Without a command, list webhooks."
)

_ENDPOINTS = "/v1/webhook_endpoints"


class RunEnd(StrEnum):
    """How a run can end."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class SentFormat(StrEnum):
    """What a webhook is sent."""

    STANDARD = "standard"
    SLACK = "slack"
    TEAMS = "teams"


class Status(StrEnum):
    """How far the delivery of an event has come."""

    PENDING = "pending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"


WebhookArgument = Annotated[
    str, typer.Argument(metavar="WEBHOOK", help="Id of the webhook (whe_…), as `evalhaven webhooks` shows it.")
]


@webhook_commands.command("create", epilog=EPILOG)
def create_webhook(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where it is told, such as https://….")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What lists call it.")],
    ends: Annotated[
        list[RunEnd] | None,
        typer.Option("--on", metavar="END", help="succeeded, failed or canceled; may be repeated; default: all three."),
    ] = None,
    format_: Annotated[
        SentFormat,
        typer.Option("--format", metavar="FORMAT", help="standard (events), slack or teams (messages)."),
    ] = SentFormat.STANDARD,
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Have an address told when runs end, and show the secret that signs what it is sent, once."""
    from evalhaven.cli.webhook_texts import print_new_webhook

    types = [f"eval.run.{end}" for end in dict.fromkeys(ends or RunEnd)]
    body = {"name": name, "url": address, "event_types": types, "evalhaven": {"format": str(format_)}}
    made = _answer(partial(_ask, "POST", _ENDPOINTS, body), url, data_dir, project)
    _show(made, print_new_webhook, as_json=as_json)


@webhook_commands.command("list", epilog=EPILOG)
def list_webhooks(
    limit: Limit = 100,
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the webhooks, newest first, and how they fare."""
    from evalhaven.cli.listing import take
    from evalhaven.cli.webhook_texts import print_webhooks

    found = _answer(partial(take, path=_ENDPOINTS, query={}, limit=limit), url, data_dir, project)
    _show(found, print_webhooks, as_json=as_json)


@webhook_commands.command("delete", epilog=EPILOG)
def delete_webhook(
    webhook: WebhookArgument,
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Delete a webhook with its log. What it was still to be told of it is not."""
    from evalhaven.cli.webhook_texts import print_line

    gone = _answer(partial(_ask, "DELETE", _path(webhook), None), url, data_dir, project)
    _show(gone, partial(print_line, f"Webhook {webhook} is deleted."), as_json=as_json)


@webhook_commands.command("rotate", epilog=EPILOG)
def rotate_secret(
    webhook: WebhookArgument,
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Let the old secret sign beside the new one for 24 hours.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Replace the secret of a webhook, and show the new one, once."""
    from evalhaven.cli.webhook_texts import print_new_secret

    body = {"keep_old_secret_active_for_24_hours": keep_old}
    rotated = _answer(partial(_ask, "POST", f"{_path(webhook)}/rotate_secret", body), url, data_dir, project)
    _show(rotated, print_new_secret, as_json=as_json)


@webhook_commands.command(
    "test",
    epilog="Exit status: 0 it answered with a 2xx status, 1 with another one, 64 the command line is wrong or it did "
    "not answer, 70 the server does not answer, or refuses.",
)
def send_test(
    webhook: WebhookArgument,
    end: Annotated[
        RunEnd, typer.Option("--on", metavar="END", help="succeeded, failed or canceled.")
    ] = RunEnd.SUCCEEDED,
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Send a webhook an event that did not happen, and say what it answers."""
    from evalhaven.cli.webhook_texts import print_line

    path = f"{_path(webhook)}/test"
    result = _answer(partial(_ask, "POST", path, {"event_type": f"eval.run.{end}"}), url, data_dir, project)
    status = result["status_code"]
    _show(result, partial(print_line, f"Webhook {webhook} answered {status}."), as_json=as_json)
    raise typer.Exit(0 if status // 100 == 2 else 1)  # noqa: PLR2004 - 2xx


@webhook_commands.command("deliveries", epilog=EPILOG)
def list_deliveries(
    webhook: WebhookArgument,
    status: Annotated[
        Status | None,
        typer.Option(metavar="STATUS", help="Only those that are pending, retrying, delivered or failed."),
    ] = None,
    limit: Limit = 20,
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List what a webhook was told of in the last 30 days, newest first, and what it answered."""
    from evalhaven.cli.listing import take
    from evalhaven.cli.webhook_texts import print_deliveries

    path = f"/api/webhook_endpoints/{quote(webhook, safe='')}/deliveries"
    found = _answer(
        partial(take, path=path, query={"status": status and str(status)}, limit=limit), url, data_dir, project
    )
    _show(found, partial(print_deliveries, limit=limit), as_json=as_json)


@webhook_commands.command("resend", epilog=EPILOG)
def resend(
    webhook: WebhookArgument,
    delivery: Annotated[
        str | None,
        typer.Argument(metavar="DELIVERY", help="Id of the delivery (wh_…); default: all that have failed."),
    ] = None,
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Deliver an event again, or all that were given up."""
    from evalhaven.cli.webhook_texts import print_line

    path = f"/api/webhook_endpoints/{quote(webhook, safe='')}"
    if delivery is not None:
        path += f"/deliveries/{quote(delivery, safe='')}"
    asked = _answer(partial(_ask, "POST", f"{path}/resend", None), url, data_dir, project)
    line = f"Delivery {delivery} is sent again." if delivery is not None else f"Sent again: {asked['resent']}."
    _show(asked, partial(print_line, line), as_json=as_json)


def _path(webhook: str) -> str:
    return f"{_ENDPOINTS}/{quote(webhook, safe='')}"


async def _ask(method: str, path: str, body: dict[str, Any] | None, asker: "Asker") -> dict[str, Any]:
    return await asker.ask(method, path, None, body)


def _answer(
    ask: Callable[["Asker"], Awaitable[dict[str, Any]]], url: str | None, data_dir: Path | None, project: str | None
) -> dict[str, Any]:
    from evalhaven.cli.asking import answer_of

    return answer_of(settings_for(None, url, data_dir), ask, project=project)


def _show(answer: dict[str, Any], print_it: Callable[[dict[str, Any]], None], *, as_json: bool) -> None:
    from evalhaven.cli.terminal import print_json

    if as_json:
        print_json(answer)
    else:
        print_it(answer)
