"""`evalhaven watch`: shows the progress of a run."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from evalhaven.cli.common_options import RunArgument, ServedDataDir, Url
from evalhaven.cli.option_values import parse_rate, parse_seconds
from evalhaven.cli.references import parse_run, settings_for

if TYPE_CHECKING:
    from evalhaven.cli.run_document import RunDocument
    from evalhaven.cli.run_watcher import Display

EPILOG = (
    "Exit status: 0 the run completed, whatever the results (with --once also: it is still in progress), "
    "1 it failed, or does not meet --fail-under or --fail-on-error, 3 it was canceled, 4 its server did not answer for "
    "as long as --give-up-after allows, 64 the command line is wrong, 70 the run cannot be watched, 130 interrupted. "
    "An interrupted watch does not stop the run."
)

_LINES_INTERVAL_S = 5.0
_BLOCK_INTERVAL_S = 1.0


def watch(
    run: RunArgument,
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

    from evalhaven.cli.ending import end_like_ctrl_c
    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.run_verdict import EXIT_LOST, Demands, exit_status
    from evalhaven.cli.run_watcher import BlockDisplay, JsonDisplay, LineDisplay, follow_run
    from evalhaven.cli.shell import EXIT_INTERRUPTED, EXIT_TOOL, fail, print_error
    from evalhaven.cli.watched_run import LostError, WatchedRun, WatchError

    asked = parse_run(run)
    settings = settings_for(asked.server, url, data_dir)
    console = Console(highlight=False)
    can_draw = console.is_terminal and not console.is_dumb_terminal and sys.stdout.isatty()
    interval_s = interval or (_BLOCK_INTERVAL_S if can_draw and not as_json else _LINES_INTERVAL_S)

    async def follow(display: "Display") -> "RunDocument":
        async with WatchedRun(settings, asked.id) as watched:
            return await follow_run(watched, display, interval_s, is_once=once, patience_s=give_up_after)

    try:
        with end_like_ctrl_c(), ExitStack() as stack:
            if as_json:
                seen = anyio.run(follow, JsonDisplay(asked.id))
            elif can_draw:
                seen = anyio.run(follow, stack.enter_context(BlockDisplay(console)))
            else:
                seen = anyio.run(follow, LineDisplay())
    except WatchError as error:
        fail(make_printable(str(error)), EXIT_TOOL)
    except LostError as error:
        print_error(make_printable(str(error)))
        raise typer.Exit(EXIT_LOST) from error
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    complaints = list(Demands(fail_under, fail_on_error).complaints(seen))
    for complaint in complaints:
        print_error(complaint)
    raise typer.Exit(exit_status(seen, complaints))
