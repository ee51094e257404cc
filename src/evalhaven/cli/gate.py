"""`evalhaven gate`: decides whether a run passes."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, AsMarkdown, Keys, RunArgument, ServedDataDir, Url
from evalhaven.cli.option_values import parse_rate
from evalhaven.cli.references import parse_run, settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = (
    "Exit status: 0 the run passes, 1 it has regressed or is below a threshold, 2 it cannot be told, 64 the command "
    "line or the policy is wrong or has no margin, 70 the server does not answer, or the JUnit "
    "XML cannot be written."
)


def gate(  # noqa: PLR0917 - typer calls it by name
    run: RunArgument,
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
    key: Keys = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML there; default: nowhere.")] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
) -> None:
    """Decide whether a run passes: by a margin against a baseline, by a threshold, or by a policy with both.

    A margin has no default, since only you know how much worse a release may be. Within a job of GitHub Actions the
    decision is added to the job's summary.
    """
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.documents import read_object
    from evalhaven.cli.gate_texts import print_decision, render_junit, render_markdown
    from evalhaven.cli.shell import EXIT_TOOL, fail, reader_may_leave
    from evalhaven.cli.terminal import print_json

    asked = parse_run(run)
    base = baseline if baseline in ("pinned", "auto", "none") else parse_run(baseline).id
    body = {} if policy is None else read_object(policy, "policy", '{"margin": 0.02}')
    body |= {name: value for name, value in (("margin", margin), ("threshold", threshold)) if value is not None}
    if key:
        body["key"] = list(key)
    settings = settings_for(asked.server, url, data_dir)
    result = answer_of(settings, partial(_ask, run_id=asked.id, baseline=base, policy=body))
    problem = None if junit is None else write_text(junit, render_junit(result))
    add_to_summary(render_markdown(result))
    with reader_may_leave():
        if as_json:
            print_json(result)
        elif as_markdown:
            sys.stdout.write(render_markdown(result))
        else:
            print_decision(result)
    if problem is not None:
        fail(f"The JUnit XML is missing, although it was asked for: {problem}", EXIT_TOOL)
    raise typer.Exit(result["exit_status"])


def add_to_summary(markdown: str) -> None:
    """Add a text to the summary of the job of GitHub Actions that this is part of, if it is.

    Nobody asked for it, so a summary that cannot be written is a warning, and the decision stands.
    """
    import os

    from evalhaven.cli.shell import print_warning

    place = os.environ.get("GITHUB_STEP_SUMMARY")
    problem = write_text(Path(place), markdown + "\n", mode="a") if place else None
    if problem is not None:
        print_warning(f"The summary of the job lacks this decision, which stands: {problem}")


def write_text(path: Path, text: str, mode: Literal["a", "w"] = "w") -> str | None:
    """Write a text to a file; return why that is not possible, else None."""
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return f"{str(path)!r} cannot be written: {error.strerror}."
    return None


async def _ask(asker: "Asker", run_id: str, baseline: str, policy: dict[str, Any]) -> dict[str, Any]:
    return await asker.ask("POST", f"/api/runs/{quote(run_id, safe='')}/gate", {"baseline": baseline}, policy)
