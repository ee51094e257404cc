"""Pages of the items of a run for a table: by rank within a choice, or one after another while the run goes on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.paging import Order
from evalhaven.domain.runs import Run
from evalhaven.reports.columns.loading import NoColumnsError
from evalhaven.reports.item_choice import ChosenItems, ItemChooser, ItemSort, RunItemFilter
from evalhaven.reports.item_rows import RowMaker
from evalhaven.storage.item_previews import list_previews_after, list_previews_at
from evalhaven.storage.reading import ReadTransaction

_SEARCHED_AT_ONCE = 200
_LONGEST_SEARCH_S = 0.8
_ONLY_STATUSES = frozenset({"statuses"})


@dataclass(frozen=True, slots=True)
class ItemQuestion:
    """Which items of a run are asked for, and how.

    Attributes:
        wanted: Which items.
        sort: By what they are sorted, and in which order.
        text: What an item, its answer or its error contains, whatever the case; None for anything.
    """

    wanted: RunItemFilter
    sort: tuple[ItemSort, Order] = ("position", "asc")
    text: str | None = None

    @property
    def is_simple(self) -> bool:
        """Tell whether it can be answered without columns."""
        others = [name for name in RunItemFilter.__slots__ if name not in _ONLY_STATUSES]
        plain = RunItemFilter()
        is_plain = all(getattr(self.wanted, name) == getattr(plain, name) for name in others)
        return is_plain and self.sort == ("position", "asc") and self.text is None


@dataclass(frozen=True, slots=True)
class RowPage:
    """A page of rows.

    Attributes:
        rows: The rows.
        start: Rank of the first one; None where items have no rank.
        total: How many items there are in all; None if texts were searched for.
        next: Where the next page begins; None if there is none.
        was_cut: Whether the search for a text ended early, so that the page may have fewer rows than asked for.
    """

    rows: Sequence[JsonObject]
    start: int | None
    total: int | None
    next: str | None
    was_cut: bool = False


async def read_item_page(
    tx: ReadTransaction,
    chooser: ItemChooser,
    of_run: tuple[Run, Eval],
    question: ItemQuestion,
    place: "int | tuple[int, int]",
    limit: int,
    maker: RowMaker,
) -> RowPage:
    """Return a page of the items of a run.

    Args:
        tx: Open transaction.
        chooser: Chooses items.
        of_run: The run, and its eval.
        question: What is asked for.
        place: Rank of the first row; or position and repeat after which it stands, where items have no rank.
        limit: Most rows.
        maker: Makes the rows.

    Raises:
        InvalidRequestError: What is asked for needs the columns of the run, which are not there yet.
    """
    run, parent = of_run
    try:
        chosen = await chooser.choose(tx, run, parent, question.wanted, question.sort)
    except NoColumnsError as error:
        return await _page_in_order(tx, run, question, place, limit, maker, error)
    if not isinstance(place, int):
        # The page before was made without columns, and they have been made since.
        rank = chosen.rank_of(*place)
        place = 0 if rank is None else rank + 1
    if question.text is not None:
        return await _search(tx, run, chosen, question.text, place, limit, maker)
    keys = chosen.keys(place, place + limit)
    found = await list_previews_at(tx, run.scope, run.key, keys)
    rows = [maker.row(each, rank) for rank, each in enumerate(found, place)]
    then = place + len(rows)
    return RowPage(rows, place, len(chosen), str(then) if rows and then < len(chosen) else None)


async def _search(
    tx: ReadTransaction, run: Run, chosen: ChosenItems, text: str, start: int, limit: int, maker: RowMaker
) -> RowPage:
    sought, rows, at = text.casefold(), list[JsonObject](), start
    until = time.monotonic() + _LONGEST_SEARCH_S
    while at < len(chosen):
        if time.monotonic() > until:
            return RowPage(rows, start, None, str(at), was_cut=True)
        found = await list_previews_at(tx, run.scope, run.key, chosen.keys(at, at + _SEARCHED_AT_ONCE))
        for each in found:
            if any(sought in said.casefold() for said in maker.texts(each)):
                if len(rows) == limit:
                    return RowPage(rows, start, None, str(at))
                rows.append(maker.row(each, at))
            at += 1
        if not found:
            break
    return RowPage(rows, start, None, None)


async def _page_in_order(
    tx: ReadTransaction,
    run: Run,
    question: ItemQuestion,
    place: "int | tuple[int, int]",
    limit: int,
    maker: RowMaker,
    reason: Exception,
) -> RowPage:
    """Return a page in order of position, for a run without columns."""
    if not question.is_simple or (isinstance(place, int) and place > 0):
        raise not_ready(run) from reason
    statuses = question.wanted.statuses
    after = None if isinstance(place, int) else place
    found = await list_previews_after(tx, run.scope, run.key, after, statuses, limit + 1)
    shown = found[:limit]
    tally = run.tally
    counts = {"pass": tally.passed, "fail": tally.failed, "error": tally.errored}
    total = sum(counts[status.wire] for status in set(statuses)) if statuses else tally.total
    last = shown[-1] if shown and len(found) > len(shown) else None
    then = None if last is None else f"{last.position}-{last.repeat}"
    return RowPage([maker.row(each, None) for each in shown], None, total, then)


def not_ready(run: Run) -> InvalidRequestError:
    """Return the refusal of a question that needs the columns of a run, which are not made yet."""
    return InvalidRequestError(
        f"The items of run {run.id!r} are still being prepared for sorting and filtering. Until then ask for 'status', "
        "'limit' and 'after' alone, or ask again in a moment.",
        param="run_id",
        code="items_not_ready",
    )
