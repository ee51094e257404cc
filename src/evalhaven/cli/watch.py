"""`evalhaven watch`: shows the progress of a run."""

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, unquote, urlsplit

import typer

from evalhaven.cli.common_options import ServedDataDir, Url, prefer_command_line
from evalhaven.cli.option_values import parse_rate, parse_seconds

if TYPE_CHECKING:
    from evalhaven.cli.run_document import RunDocument
    from evalhaven.cli.run_watcher import Display
    from evalhaven.settings import Settings

EPILOG = (
    "Exit status: 0 the run completed, whatever the results (with --once also: it is still in progress), "
    "1 it failed, does not meet --fail-under or --fail-on-error, or cannot be watched, 2 the command line is wrong, "
    "3 it was canceled, 4 its server did not answer for as long as --give-up-after allows, 130 interrupted. An "
    "interrupted watch does not stop the run."
)

_RUN_PAGE = re.compile(r"(.*)/(?:ui|v1)/evals/[^/]+/runs/([^/]+)(?:/.*)?")
_HOSTED_PAGE = re.compile(r"/evaluations?/.*")
_LINES_INTERVAL_S = 5.0
_BLOCK_INTERVAL_S = 1.0


def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the address of its page.")],
    url: Url = None,
    data_dir: ServedDataDir = None,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            parser=parse_seconds,
            help="Seconds between updates, 0.1 or more; default: 1 on a terminal, else 5.",
        ),
    ] = None,
    fail_under: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            parser=parse_rate,
            help="End with status 1 if a smaller share of the graded items passed: 0 to 1, such as 0.9 for 90 %. "
            "Errored items are not graded; default: any share will do.",
        ),
    ] = None,
    give_up_after: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            parser=parse_seconds,
            help="End with status 4 if the server does not answer for this long, 0.1 or more; default: wait forever.",
        ),
    ] = None,
    *,
    fail_on_error: Annotated[
        bool, typer.Option("--fail-on-error", help="End with status 1 if an item is errored.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Show the run as it is now, and stop.")] = False,
) -> None:
    """Show the state of a run until it ends: progress, rate, time left, cost, retries, limits and errors by kind.

    On a terminal the figures are redrawn in place. Elsewhere each update prints a line.
    """
    import anyio
    from rich.console import Console

    from evalhaven.cli.demo import end_like_ctrl_c
    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.run_verdict import EXIT_LOST, Demands, exit_status
    from evalhaven.cli.run_watcher import BlockDisplay, JsonDisplay, LineDisplay, follow_run
    from evalhaven.cli.shell import EXIT_INTERRUPTED, fail, print_error, read_settings
    from evalhaven.cli.watched_run import LostError, WatchedRun, WatchError
    from evalhaven.telemetry import configure_logging

    run_id, page_url = parse_reference(run)
    settings = server_settings(read_settings(data_dir=data_dir, url=url), url, data_dir, page_url)
    configure_logging("warning", settings.log_format)
    console = Console(highlight=False)
    can_draw = console.is_terminal and not console.is_dumb_terminal and sys.stdout.isatty()
    interval_s = interval or (_BLOCK_INTERVAL_S if can_draw and not as_json else _LINES_INTERVAL_S)

    async def follow(display: "Display") -> "RunDocument":
        async with WatchedRun(settings, run_id) as watched:
            return await follow_run(watched, display, interval_s, is_once=once, patience_s=give_up_after)

    try:
        with end_like_ctrl_c(), ExitStack() as stack:
            if as_json:
                seen = anyio.run(follow, JsonDisplay(run_id))
            elif can_draw:
                seen = anyio.run(follow, stack.enter_context(BlockDisplay(console)))
            else:
                seen = anyio.run(follow, LineDisplay())
    except WatchError as error:
        fail(make_printable(str(error)))
    except LostError as error:
        print_error(make_printable(str(error)))
        raise typer.Exit(EXIT_LOST) from error
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    complaints = list(Demands(fail_under, fail_on_error).complaints(seen))
    for complaint in complaints:
        print_error(complaint)
    raise typer.Exit(exit_status(seen, complaints))


def parse_reference(text: str) -> tuple[str, str | None]:
    """Return the id of a run, and the server of its page.

    Args:
        text: An id, or the address of a run: a page of ours, its path in the API, or a page of the hosted dashboard,
            which says nothing about the server.

    Raises:
        typer.BadParameter: The text is neither.
    """
    if "/" not in text:
        return text, None
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an address: {error}.") from error
    if parts.scheme in ("http", "https"):
        if match := _RUN_PAGE.fullmatch(parts.path):
            return unquote(match[2]), f"{parts.scheme}://{parts.netloc}{match[1]}"
        run_ids = parse_qs(parts.query).get("run_id", [])
        if run_ids and _HOSTED_PAGE.fullmatch(parts.path):
            return run_ids[0], None
    raise typer.BadParameter(
        f"{text!r} is neither the id of a run (evalrun_…) nor the address of its page "
        "(http://HOST/ui/evals/EVAL/runs/RUN)."
    )


def server_settings(settings: "Settings", url: str | None, data_dir: Path | None, page_url: str | None) -> "Settings":
    """Return the settings with the server that takes precedence.

    Args:
        settings: What the command line and the environment say.
        url: The server that the command line names.
        data_dir: The data directory that the command line names.
        page_url: The server that the run's page names.
    """
    from evalhaven.settings import LOOPBACK_HOSTS

    settings = prefer_command_line(settings, data_dir, url)
    if url is not None or data_dir is not None:
        return settings
    if page_url is None or page_url == (settings.url or "").rstrip("/").removesuffix("/v1"):
        return settings
    # A link may come from anybody: the key goes only where its owner sends it, or stays on this machine.
    is_trusted = urlsplit(page_url).hostname in LOOPBACK_HOSTS
    return settings.model_copy(update={"url": page_url} if is_trusted else {"url": page_url, "api_key": None})
