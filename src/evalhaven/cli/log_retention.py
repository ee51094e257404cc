"""What `evalhaven logs retention` asks and says."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from evalhaven.cli.asking import Asker, answer_of
from evalhaven.cli.references import settings_for
from evalhaven.cli.shell import print_note
from evalhaven.cli.terminal import plain_console, print_json
from evalhaven.domain.wording import counted
from evalhaven.wire.logs import LogStatus

_PATH = "/api/logs/retention"
_NONE = "none"


@dataclass(frozen=True, slots=True)
class _Older:
    """What a project has that is older than it is to be kept."""

    days: int
    calls: int


def show_days(url: str | None, data_dir: Path | None, project: str | None, *, as_json: bool) -> None:
    """Print for how many days the calls of a project are kept."""

    async def ask(asker: Asker) -> dict[str, Any]:
        return await asker.ask("GET", _PATH)

    retention = answer_of(settings_for(None, url, data_dir), ask, project=project)
    if as_json:
        print_json(retention)
    else:
        _print(_kept(retention))


def set_days(
    text: str, url: str | None, data_dir: Path | None, project: str | None, *, is_check: bool, as_json: bool
) -> None:
    """Set for how many days the calls of a project are kept, and print what is dropped now; or only print that.

    Raises:
        typer.BadParameter: The text is neither a number nor `none`.
    """
    days = _days(text)

    async def ask(asker: Asker) -> tuple[dict[str, Any], _Older]:
        before = await asker.ask("GET", _PATH)
        retention = before if is_check else await asker.ask("POST", _PATH, body={"days": days})
        kept = before["most_days"] if days is None else min(days, before["most_days"])
        return retention, _older(LogStatus.model_validate(await asker.ask("GET", "/api/logs")), kept)

    retention, older = answer_of(settings_for(None, url, data_dir), ask, project=project)
    if as_json:
        print_json(retention)
    elif is_check:
        _print(f"Would be dropped: {_named(older)}." if older.calls else "No stored call of this project is older.")
    else:
        _print(_kept(retention))
    if not is_check and older.calls:
        print_note(f"Dropped for good within an hour, being older: {_named(older)}.")


def _days(text: str) -> int | None:
    if text.lower() == _NONE:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise typer.BadParameter(f"--days takes a number of days or `none`, not {text!r}.") from error


def _older(status: LogStatus, kept_days: int) -> _Older:
    oldest_kept = datetime.now(UTC).date() - timedelta(days=kept_days)
    stored = [] if status.stored is None else status.stored.days
    older = [day.calls for day in stored if day.calls and date.fromisoformat(day.day) < oldest_kept]
    return _Older(len(older), sum(older))


def _kept(retention: dict[str, Any]) -> str:
    kept = f"Calls of this project are kept for {counted(retention['kept_days'], 'day')}"
    if retention["days"] is None:
        return f"{kept}, as on the whole server."
    if retention["days"] > retention["most_days"]:
        return f"{kept}: the project says {retention['days']:,}, and the server keeps none for longer."
    return f"{kept}; the server keeps others for up to {retention['most_days']:,}."


def _named(older: _Older) -> str:
    return f"{counted(older.calls, 'call')} of {counted(older.days, 'day')}"


def _print(text: str) -> None:
    plain_console().print(text, highlight=False, markup=False, soft_wrap=True)
