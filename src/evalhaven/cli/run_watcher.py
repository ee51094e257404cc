"""Following a run until it ends, and showing it meanwhile."""

import json
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from evalhaven.cli.figure_texts import format_duration, make_printable
from evalhaven.cli.run_document import RunDocument
from evalhaven.cli.run_drawing import draw_block, draw_line
from evalhaven.cli.run_figures import Figures, RunHistory
from evalhaven.cli.run_json import render_json
from evalhaven.cli.watched_run import LostError, NoAnswer, WatchedRun, WatchError

_LONGEST_PAUSE_S = 1.0  # the end of a run is noticed within this, however seldom it is shown


class Display(Protocol):
    """Where a run is shown."""

    def show(self, figures: Figures) -> None:
        """Show what was read."""
        ...

    def show_loss(self, reason: str, lost_s: float) -> None:
        """Show that there has been no answer for so many seconds."""
        ...

    def show_return(self, lost_s: float) -> None:
        """Show that answers come again, after so many seconds without."""
        ...


async def follow_run(
    watched: WatchedRun,
    display: Display,
    interval_s: float,
    *,
    is_once: bool,
    patience_s: float | None = None,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> RunDocument:
    """Show a run until it has ended; return it as it was last seen.

    Args:
        watched: The run.
        display: Where it is shown.
        interval_s: Seconds from one showing to the next.
        is_once: Show it once only.
        patience_s: Seconds without an answer after which the run counts as lost; None waits forever.
        now_s: A clock that only goes forward.
        sleep: Waits for so many seconds.

    Raises:
        WatchError: The run cannot be watched, or can no longer be.
        LostError: There was no answer for too long.
    """
    history = RunHistory()
    next_s = now_s()
    lost_at_s: float | None = None
    is_unreachable = False
    while True:
        outcome = await watched.read()
        now = now_s()
        is_due = now >= next_s
        if isinstance(outcome, NoAnswer):
            if is_once:
                raise WatchError(f"{outcome.reason}.")
            is_new = lost_at_s is None
            lost_at_s = now if lost_at_s is None else lost_at_s
            if is_new or is_due:
                display.show_loss(outcome.reason, now - lost_at_s)
            if patience_s is not None and now - lost_at_s >= patience_s:
                lost = format_duration(now - lost_at_s)
                raise LostError(f"No answer for {lost}, which is as long as --give-up-after says: {outcome.reason}.")
        else:
            if lost_at_s is not None:
                display.show_return(now - lost_at_s)
                lost_at_s = None
            figures = history.add(outcome)
            status = figures.run.status
            is_news = bool(figures.unreachable) != is_unreachable
            is_unreachable = bool(figures.unreachable)
            if status.is_final or is_once or is_due or is_news:
                display.show(figures)
            if status.is_final or is_once:
                return figures.run
        if is_due:
            next_s = now + interval_s
        await sleep(max(0.0, min(next_s - now_s(), _LONGEST_PAUSE_S)))


class LineDisplay:
    """One line an update."""

    def show(self, figures: Figures) -> None:
        """Print a line."""
        print(draw_line(figures), flush=True)

    def show_loss(self, reason: str, lost_s: float) -> None:
        """Print why there is nothing to show."""
        print(_loss(reason, lost_s), flush=True)

    def show_return(self, lost_s: float) -> None:
        """Print that watching goes on."""
        print(f"connected again after {format_duration(lost_s)}", flush=True)


class JsonDisplay:
    """One JSON object a line."""

    def __init__(self, run_id: str, unix_s: Callable[[], float] = time.time) -> None:
        """Print nothing yet.

        Args:
            run_id: Public id, shown while the run cannot be read.
            unix_s: The time, shown likewise.
        """
        self._run_id = run_id
        self._unix_s = unix_s

    def show(self, figures: Figures) -> None:
        """Print the figures."""
        self._print(render_json(figures))

    def show_loss(self, reason: str, lost_s: float) -> None:
        """Print why there are no figures."""
        lost = {"connected": False, "lost_s": round(lost_s, 3), "reason": reason}
        self._print({"at": self._unix_s(), "run_id": self._run_id, **lost})

    def show_return(self, lost_s: float) -> None:
        """Print nothing: the next figures show it."""

    def _print(self, value: object) -> None:
        # Escapes keep control characters in names from the terminal, and lone surrogates from the encoder.
        print(json.dumps(value), flush=True)


class BlockDisplay:
    """A block of lines on a terminal, redrawn in place; the last one stays."""

    def __init__(self, console: Console) -> None:
        """Draw nothing yet.

        Args:
            console: The terminal.
        """
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._figures: Figures | None = None

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.__exit__(kind, error, at)

    def show(self, figures: Figures) -> None:
        """Draw the block."""
        self._figures = figures
        self._draw()

    def show_loss(self, reason: str, lost_s: float) -> None:
        """Draw the last block, and below it why it does not change."""
        self._draw(Text(_loss(reason, lost_s), "bold yellow"))

    def show_return(self, lost_s: float) -> None:
        """Draw nothing: the next block shows it."""

    def _draw(self, *more: Text) -> None:
        lines = [] if self._figures is None else draw_block(self._figures, self._console.width)
        self._live.update(Group(*lines, *more), refresh=True)


def _loss(reason: str, lost_s: float) -> str:
    return make_printable(f"no answer for {format_duration(lost_s)}, still trying ({reason})")
