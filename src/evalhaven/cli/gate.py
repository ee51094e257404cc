"""`evalhaven gate`: decides whether a run passes."""

import sys
from pathlib import Path
from typing import Annotated, Any, Never

import typer
from typer.core import TyperCommand

from evalhaven.cli.common_options import ServedDataDir, Url
from evalhaven.cli.option_values import parse_rate

EXIT_USAGE = 64
EXIT_TOOL = 70
EPILOG = (
    "Exit status: 0 the run passes, 1 it has regressed or is below a threshold, 2 it cannot be told, 64 the command "
    "line or the policy is wrong or has no margin, 70 the server does not answer."
)
_USUAL_STATUS = 2
_WRONG_POLICY = ("no_margin", "no_baseline", "invalid_value", "invalid_type", "invalid_json")


class GateCommand(TyperCommand):
    """A command whose wrong use has a status of its own, since 2 means that nothing could be told."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the command line."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except Exception as error:
            if getattr(error, "exit_code", None) == _USUAL_STATUS:
                error.exit_code = EXIT_USAGE  # pyright: ignore[reportAttributeAccessIssue] - of errors of usage
            raise


def gate(  # noqa: PLR0917 - typer calls it by name
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the address of its page.")],
    baseline: Annotated[
        str,
        typer.Option(
            metavar="RUN|pinned|auto|none",
            help="The run to compare with; auto takes the pinned one, else the most comparable earlier one.",
        ),
    ] = "auto",
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What the run has to achieve: JSON, or TOML if its name ends so; default: what the options say.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            parser=parse_rate,
            help="How much worse the run may be: 0.02 is two points; default: the policy's.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="RATE", parser=parse_rate, help="Share of items that has to pass; default: the policy's."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Field that names an item, instead of its whole content; may be repeated."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML there; default: nowhere.")] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision as JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown, for a pull request.")] = False,
) -> None:
    """Decide whether a run passes: by a margin against a baseline, by a threshold, or by a policy with both.

    A margin has no default, since only you know how much worse a release may be. Within a job of GitHub Actions the
    decision is added to the job's summary.
    """
    import anyio

    from evalhaven.cli.asking import AnswerError
    from evalhaven.cli.gate_texts import render_junit, render_markdown
    from evalhaven.cli.shell import read_settings
    from evalhaven.cli.watch import parse_reference, server_settings
    from evalhaven.telemetry import configure_logging

    try:
        run_id, page_url = parse_reference(run)
        base = baseline if baseline in ("pinned", "auto", "none") else parse_reference(baseline)[0]
    except typer.BadParameter as error:
        _wrong(error.message)
    asked = _policy_of(policy)
    asked |= {name: value for name, value in (("margin", margin), ("threshold", threshold)) if value is not None}
    if key:
        asked["key"] = list(key)
    settings = server_settings(read_settings(data_dir=data_dir, url=url), url, data_dir, page_url)
    configure_logging("warning", settings.log_format)
    try:
        result = anyio.run(_ask, settings, run_id, base, asked)
    except AnswerError as error:
        if error.code in _WRONG_POLICY:
            _wrong(str(error))
        _broken(str(error))
    try:
        if junit is not None:
            junit.write_text(render_junit(result), encoding="utf-8")
        add_to_summary(render_markdown(result))
    except OSError as error:
        _broken(f"{error.filename!r} cannot be written: {error.strerror}.")
    print_decision(result, as_json=as_json, as_markdown=as_markdown)
    raise typer.Exit(result["exit_status"])


def add_to_summary(markdown: str) -> None:
    """Add a text to the summary of the job of GitHub Actions that this is part of, if it is.

    Raises:
        OSError: The summary cannot be written.
    """
    import os

    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if place:
        with Path(place).open("a", encoding="utf-8") as summary:
            summary.write(markdown + "\n")


def print_decision(result: dict[str, Any], *, as_json: bool, as_markdown: bool) -> None:
    """Print what was decided."""
    from rich.console import Console
    from rich.table import Table

    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.gate_texts import asked_of, found_of, limits_of, render_markdown
    from evalhaven.domain import jsontext

    if as_json:
        sys.stdout.write(jsontext.render(result) + "\n")
        return
    if as_markdown:
        sys.stdout.write(render_markdown(result))
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    style = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}[result["outcome"]]
    console.print(make_printable(result["sentence"]), style=style)
    table = Table(box=None, pad_edge=False)
    for name in ("check", "tier", "asked", "found", "95 %", "verdict"):
        table.add_column(name)
    for check in result["checks"]:
        verdict = check["verdict"].replace("_", " ")
        table.add_row(
            make_printable(check["name"]), check["tier"], asked_of(check), found_of(check), limits_of(check), verdict
        )
    console.print(table)
    for warning in result["warnings"]:
        console.print(f"! {make_printable(warning)}", style="yellow")


async def _ask(settings: Any, run_id: str, baseline: str, policy: dict[str, Any]) -> dict[str, Any]:
    from urllib.parse import quote

    from evalhaven.cli.asking import open_asker

    async with open_asker(settings) as asker:
        return await asker.ask("POST", f"/api/runs/{quote(run_id, safe='')}/gate", {"baseline": baseline}, policy)


def _policy_of(path: Path | None) -> dict[str, Any]:
    import tomllib

    from evalhaven.domain import jsontext

    if path is None:
        return {}
    try:
        raw = path.read_bytes()
        found = tomllib.loads(raw.decode()) if path.suffix == ".toml" else jsontext.parse_received(raw)
    except OSError as error:
        _wrong(f"The policy {str(path)!r} cannot be read: {error.strerror}.")
    except (ValueError, UnicodeError) as error:
        _wrong(f"The policy {str(path)!r} is not valid {'TOML' if path.suffix == '.toml' else 'JSON'}: {error}.")
    if not isinstance(found, dict):
        _wrong(f'The policy {str(path)!r} must be an object, such as {{"margin": 0.02}}.')
    return dict(found)


def _wrong(message: str) -> Never:
    from evalhaven.cli.shell import print_error

    print_error(message)
    raise typer.Exit(EXIT_USAGE)


def _broken(message: str) -> Never:
    from evalhaven.cli.shell import print_error

    print_error(message)
    raise typer.Exit(EXIT_TOOL)
