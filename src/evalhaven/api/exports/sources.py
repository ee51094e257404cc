"""Which output items an export has, and in which order: a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.chosen_items import read_chosen_items
from evalhaven.storage.item_previews import list_previews_at
from evalhaven.storage.output_items import list_items_in_order
from evalhaven.storage.reading import ReadTransaction

if TYPE_CHECKING:
    from evalhaven.reports.item_choice import ChosenItems
    from evalhaven.reports.item_rows import RowMaker

_BATCH = (500, 4_000_000)  # items, and characters
_SEARCHED_AT_ONCE = 200

Place = tuple[int, int]
"""Where the next batch begins."""


class ItemSource(Protocol):
    """The items of an export."""

    async def read(self, tx: ReadTransaction, place: Place | None) -> tuple[Sequence[OutputItem], Place | None]:
        """Return the next items from a place on, None for the beginning; and the place behind them, None at the end."""
        ...


@dataclass(frozen=True, slots=True)
class ItemsInOrder:
    """The items of a run in order of position and repeat, those included that are stored meanwhile.

    Attributes:
        run: The run.
        statuses: How they ended; empty for all.
    """

    run: Run
    statuses: Sequence[ItemStatus] = ()

    async def read(self, tx: ReadTransaction, place: Place | None) -> tuple[Sequence[OutputItem], Place | None]:
        """Return the next items behind a position and repeat."""
        page = await list_items_in_order(tx, self.run.scope, self.run.key, place, _BATCH, self.statuses)
        last = page.objects[-1] if page.objects and page.has_more else None
        return page.objects, None if last is None else (last.position, last.repeat)


@dataclass(frozen=True, slots=True)
class ChosenByFilter:
    """Items of a run that a filter chose when the export began, in the order that was asked for.

    Attributes:
        run: The run.
        chosen: The items.
        text: What an item, its answer or its error contains, whatever the case; None for anything.
        maker: Knows the texts of an item that are searched.
    """

    run: Run
    chosen: "ChosenItems"
    text: str | None
    maker: "RowMaker"

    async def read(self, tx: ReadTransaction, place: Place | None) -> tuple[Sequence[OutputItem], Place | None]:
        """Return the next items from a rank on; a place also says how many may be read at once, fewer of large ones."""
        run, (most, most_chars) = self.run, _BATCH
        rank, size = place or (0, most)
        if self.text is None:
            keys = self.chosen.keys(rank, rank + size)
            items, seen = await read_chosen_items(tx, run.scope, run.key, keys, most_chars)
            size = 2 * (size if seen == len(keys) else seen)
        else:
            found, seen = await self._search(tx, self.text.casefold(), rank)
            items, read = await read_chosen_items(tx, run.scope, run.key, [key for key, _ in found], most_chars)
            if read < len(found):
                seen = found[read][1]  # the others come with the next batch, found once more
        return items, (rank + seen, min(size, most)) if seen and rank + seen < len(self.chosen) else None

    async def _search(self, tx: ReadTransaction, sought: str, rank: int) -> tuple[list[tuple[Place, int]], int]:
        """Return the keys of the items that hold the text, each with its number, among how many that were searched."""
        keys = self.chosen.keys(rank, rank + _SEARCHED_AT_ONCE)
        previews = await list_previews_at(tx, self.run.scope, self.run.key, keys)
        found = [
            ((each.position, each.repeat), number)
            for number, each in enumerate(previews)
            if any(sought in said.casefold() for said in self.maker.texts(each))
        ]
        # An item that is gone is passed over.
        return found, len(previews) or min(1, len(keys))
