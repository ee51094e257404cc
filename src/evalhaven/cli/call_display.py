"""How the runs of a call go on: a block or a line each on a terminal, lines elsewhere."""

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from evalhaven.cli.figure_texts import format_duration, make_printable
from evalhaven.cli.run_drawing import draw_block, draw_line
from evalhaven.cli.run_figures import Figures

_MOST_NAME_CHARS = 40


class CallDisplay(AbstractContextManager["CallDisplay"]):
    """Shows all runs of a call."""

    def __init__(self, names: list[str], *, is_for_people: bool) -> None:
        """Show nothing yet.

        Args:
            names: Of the variants.
            is_for_people: Whether standard output is read by people; else progress goes to standard error, in lines.
        """
        self._names = names
        self._stream: TextIO = sys.stdout if is_for_people else sys.stderr
        console = Console(file=self._stream, highlight=False)
        can_draw = is_for_people and console.is_terminal and not console.is_dumb_terminal and self._stream.isatty()
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if can_draw else None
        self._figures: dict[str, Figures] = {}
        self._losses: dict[str, str] = {}
        self._printed: dict[str, tuple[object, ...]] = {}
        self._width = min(_MOST_NAME_CHARS, max(map(len, names), default=0))

    @property
    def interval_s(self) -> float:
        """Return how many seconds pass from one showing to the next."""
        return 5.0 if self._live is None else 0.5

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, at)

    def of(self, name: str) -> "VariantDisplay":
        """Return where the run of a variant is shown."""
        return VariantDisplay(self, name)

    def show(self, name: str, figures: Figures) -> None:
        """Show what was read of a run."""
        self._losses.pop(name, None)
        self._figures[name] = figures
        if self._live is not None:
            self._draw()
            return
        news = (figures.run.status, figures.done, figures.planned, figures.unreachable)
        if self._printed.get(name) != news:
            self._printed[name] = news
            self._print(name, draw_line(figures))

    def show_loss(self, name: str, text: str) -> None:
        """Show that a run cannot be read."""
        self._losses[name] = text
        if self._live is not None:
            self._draw()
        else:
            self._print(name, text)

    def _print(self, name: str, text: str) -> None:
        begin = "" if len(self._names) == 1 else f"{make_printable(name)}: "
        print(f"{begin}{text}", file=self._stream, flush=True)

    def _draw(self) -> None:
        lines: list[Text] = []
        for name in self._names:
            figures = self._figures.get(name)
            if figures is not None and len(self._names) == 1:
                lines += draw_block(figures, self._console.width)
            elif figures is not None:
                shown = make_printable(name)[: self._width]
                line = Text(f"{shown:<{self._width}}  {draw_line(figures)}", no_wrap=True, overflow="ellipsis")
                lines.append(line)
            if name in self._losses:
                lines.append(Text(self._losses[name], "bold yellow"))
        if self._live is not None:
            self._live.update(Group(*lines), refresh=True)


class VariantDisplay:
    """Where the run of one variant is shown."""

    def __init__(self, display: CallDisplay, name: str) -> None:
        self._display = display
        self._name = name

    def show(self, figures: Figures) -> None:
        """Show what was read."""
        self._display.show(self._name, figures)

    def show_loss(self, reason: str, lost_s: float) -> None:
        """Show that there has been no answer for so many seconds."""
        text = f"no answer for {format_duration(lost_s)}, still trying ({reason})"
        self._display.show_loss(self._name, make_printable(text))

    def show_return(self, lost_s: float) -> None:
        """Show nothing: the next figures do."""
