"""`evalhaven retry`, `regrade`, `pin` and `unpin`: what can be done with a run that has ended."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, RunArgument, ServedDataDir, Url
from evalhaven.cli.option_values import metadata_of
from evalhaven.cli.references import parse_run, settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 it is done, 64 the command line is wrong, 70 the server does not answer, or refuses."


def retry(
    run: RunArgument,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="DOLLARS", min=0, help="What the run may spend from now on, old calls included; default: as it was."
        ),
    ] = None,
    budget_tokens: Annotated[
        int | None, typer.Option(metavar="TOKENS", min=1, help="The same in tokens; default: as it was.")
    ] = None,
    tools: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The run's tools with their credentials, which were erased when it ended: a JSON array; default: they "
            "need none.",
        ),
    ] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Execute again what has no result in a run: errored items, and those that it never came to."""
    from evalhaven.cli.documents import read_value

    limits = {"cost": budget, "tokens": budget_tokens}
    limits = {name: value for name, value in limits.items() if value is not None}
    body: dict[str, Any] = {"budget": limits} if limits else {}
    if tools is not None:
        body["tools"] = read_value(tools, "file of tools")
    shown = _do("POST", "retry", run, body, None, url, data_dir)

    def say() -> list[str]:
        if shown["status"] not in ("queued", "in_progress"):
            return [f"Run {shown['id']} is {shown['status']}: every item has a result, and nothing is tried again."]
        return [f"Run {shown['id']} is {shown['status']}.", f"Follow it: evalhaven watch {shown['id']}"]

    _print(shown, say(), as_json=as_json)


def regrade(
    run: RunArgument,
    criteria: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Criteria of the new run alone: a JSON array, or {"testing_criteria": …}, or TOML; default: those of '
            "the eval.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help='Name of the new run; default: the old one with "(graded again)".'),
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Pair of metadata of the new run; may be repeated."),
    ] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse criteria with warnings.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run that grades the samples of another one. No model is sampled, and the other run stays as it is."""
    from evalhaven.cli.documents import read_value

    body: dict[str, Any] = {}
    if criteria is not None:
        found = read_value(criteria, "file of criteria")
        body["testing_criteria"] = found.get("testing_criteria") if isinstance(found, dict) else found
    if name is not None:
        body["name"] = name
    if metadata:
        body["metadata"] = metadata_of(metadata)
    shown = _do("POST", "regrade", run, body, {"strict": "true"} if strict else None, url, data_dir)
    lines = [
        f"Run {shown['id']} grades the samples of {parse_run(run).id} again.",
        f"Follow it: evalhaven watch {shown['id']}",
        f"Compare them: evalhaven compare {parse_run(run).id} {shown['id']}",
    ]
    _print(shown, lines, as_json=as_json)


def pin(run: RunArgument, url: Url = None, data_dir: ServedDataDir = None, *, as_json: AsJson = False) -> None:
    """Pin a run: later runs of its eval are compared with it unless another one is named. Each eval has one pin."""
    shown = _do("POST", "pin", run, None, None, url, data_dir)
    lines = [
        f"Run {shown['run_id']} is the baseline of eval {shown['eval_id']} from now on.",
        "Let a later run match it: evalhaven gate RUN --baseline pinned --margin 0.02",
    ]
    _print(shown, lines, as_json=as_json)


def unpin(run: RunArgument, url: Url = None, data_dir: ServedDataDir = None, *, as_json: AsJson = False) -> None:
    """Unpin a run; nothing changes if it is not pinned."""
    shown = _do("DELETE", "pin", run, None, None, url, data_dir)
    _print(shown, [f"Run {shown['run_id']} is not pinned."], as_json=as_json)


def _do(
    method: str,
    action: str,
    run: str,
    body: dict[str, Any] | None,
    query: dict[str, str] | None,
    url: str | None,
    data_dir: Path | None,
) -> dict[str, Any]:
    from evalhaven.cli.asking import answer_of

    asked = parse_run(run)

    async def ask(asker: "Asker") -> dict[str, Any]:
        return await asker.ask(method, f"/api/runs/{quote(asked.id, safe='')}/{action}", query, body)

    return answer_of(settings_for(asked.server, url, data_dir), ask)


def _print(shown: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.terminal import plain_console, print_hint, print_json

    if as_json:
        print_json(shown)
        return
    console = plain_console()
    done, *hints = map(make_printable, lines)
    console.print(done)
    for hint in hints:
        print_hint(console, hint)
