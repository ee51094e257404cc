"""The parts of a run's columns: which items each shows, and which stretches of the run no part shows.

The items of a chunk that is done stay as they are until the run is retried. A retry may mend errored items, and add
items that were missing when the run ended. So each part says in which edition of the run it was made, whether it has
errored items, and whether items may be missing within it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from evalhaven.domain.jsontext import JsonObject
from evalhaven.reports.columns.form import FORM
from evalhaven.storage.run_columns import ColumnsHead, ItemsState, Key


@dataclass(frozen=True, slots=True)
class Part:
    """A part: the items after the last one of the part before, up to its own last one.

    Attributes:
        position: Position of its last item.
        repeat: Repeat of that item.
        items: Number of its items.
        edition: The edition of the run when they were read.
        is_whole: Whether all items of its stretch were stored then.
        has_errors: Whether any of its items was errored then.
    """

    position: int
    repeat: int
    items: int
    edition: int
    is_whole: bool
    has_errors: bool

    @property
    def last(self) -> Key:
        """Return position and repeat of its last item."""
        return self.position, self.repeat


@dataclass(frozen=True, slots=True)
class Stretch:
    """Items of a run that no part shows as they are.

    Attributes:
        number: The number of the part that is to show them.
        after: Position and repeat of the last item before them; None if they are the first.
        until: The outdated part of which they are; None for all items after the last part.
    """

    number: int
    after: Key | None
    until: Part | None = None

    @property
    def before(self) -> Key | None:
        """Return position and repeat before which they stand; None for all items after the last part."""
        return None if self.until is None else (self.until.position, self.until.repeat + 1)


@dataclass(frozen=True, slots=True)
class KnownParts:
    """The parts of a run that are there, as far as they can be used or made again.

    Attributes:
        parts: In order.
        codes: What the codes in them stand for.
        outdated: Numbers of those whose errored items may have been mended since.
        is_complete: Whether they show all items as they are.
    """

    parts: Sequence[Part] = ()
    codes: JsonObject | None = None
    outdated: Sequence[int] = ()
    is_complete: bool = False

    @property
    def tail(self) -> Stretch:
        """Return what comes after the last part."""
        return Stretch(len(self.parts), self.parts[-1].last if self.parts else None)

    @property
    def outdated_stretches(self) -> list[Stretch]:
        """Return the stretches of outdated parts."""
        return [Stretch(n, self.parts[n - 1].last if n else None, self.parts[n]) for n in self.outdated]

    @property
    def items(self) -> int:
        """Return the number of items that are shown as they are."""
        return sum(part.items for number, part in enumerate(self.parts) if number not in self.outdated)

    def with_part(self, number: int, part: Part) -> list[Part]:
        """Return the parts with another one: in the place of an outdated one, or after the last."""
        return [*self.parts[:number], part, *self.parts[number + 1 :]]


def known_parts(head: ColumnsHead | None, state: ItemsState) -> KnownParts:
    """Return which parts of a run's columns can be used.

    Args:
        head: How far its columns have been made.
        state: The run at the same time.
    """
    is_complete = state.columns_version == state.items_version
    if head is None:
        return KnownParts(is_complete=is_complete)  # complete without any part: a run without items
    if head.form != FORM:
        return KnownParts()
    codes = cast("dict[str, Any]", head.codes)
    parts = [Part(*values) for values in codes.pop("parts")]
    if is_complete:
        return KnownParts(parts, codes, is_complete=True)  # a retry that changed no item leaves all as they are
    for number, part in enumerate(parts):
        if part.edition != state.edition and not part.is_whole:
            del parts[number:]
            break
    outdated = [n for n, part in enumerate(parts) if part.has_errors and part.edition != state.edition]
    return KnownParts(parts, codes, outdated)


def head_of(items_version: int, parts: Sequence[Part], codes: JsonObject) -> ColumnsHead:
    """Return how far columns have been made with these parts.

    Args:
        items_version: The version of the run's items of which the last one was made.
        parts: All of them, at least one.
        codes: What the codes in them stand for.
    """
    shown = cast("JsonObject", {**codes, "parts": [list(asdict(part).values()) for part in parts]})
    return ColumnsHead(items_version, FORM, len(parts), sum(part.items for part in parts), parts[-1].last, shown)
