"""Figures compared with their targets, and the form of all tables."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure compared with its target.

    Attributes:
        is_least: Whether the target is a lower bound; otherwise it is an upper one.
    """

    name: str
    value: float
    target: float
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        """Tell whether the target is met."""
        return self.value >= self.target if self.is_least else self.value <= self.target


def print_verdicts(verdicts: Iterable[Verdict], console: Console) -> None:
    """Print each target with its figure."""
    targets = table("Target", "Measured", "Bound", "Met")
    for each in verdicts:
        bound = f"{'≥' if each.is_least else '≤'} {each.target:,.2f}"
        targets.add_row(each.name, f"{each.value:,.2f}", bound, "yes" if each.is_met else "NO")
    console.print(targets)


def table(head: str, *columns: str) -> Table:
    """Return an empty table whose first column is text."""
    made = Table(head, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right")
    return made
