"""Which items of a run a table shows, and in which order: from its columns, without reading the items.

What was chosen is kept for a while, since a table asks for the next rows of the same choice again and again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

import numpy as np

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Eval
from evalhaven.domain.paging import Order
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus
from evalhaven.reports.columns.loading import SMALL_RUN_ITEMS, Numbers, RunColumns, load_columns
from evalhaven.reports.columns.making import ERRORED, FAILED, PASSED
from evalhaven.reports.fields import places_of
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import find_items_version

ItemSort = Literal["position", "score", "latency", "tokens"]
"""By what items are sorted."""

_KEPT_BYTES = 48 * 1024 * 1024
_KEPT_BYTES_AN_ITEM = 40  # of the largest run: with less, each page of one that is very large would choose anew
_MANY_CRITERIA = 20
_ALL = ("position", "repeat", "status", "score", "latency", "tokens", "error", "outcome", "criterion_score")


@dataclass(frozen=True, slots=True)
class RunItemFilter:
    """Which items of a run are wanted: those for which everything that is given holds.

    Attributes:
        statuses: How they ended; empty for all.
        passed: Criteria that passed.
        failed: Criteria that failed.
        errored: Criteria that erred.
        criterion: Whose score is meant by scores and by sorting; None for the mean of all.
        least_score: Lowest score.
        most_score: Highest score.
        least_latency: Fewest milliseconds.
        most_latency: Most milliseconds.
        least_tokens: Fewest tokens.
        most_tokens: Most tokens.
        errors: Messages of errors, any of them, as a report shows them.
        error_codes: Codes of errors, any of them.
        groups: Fields and the texts of their values.
    """

    statuses: tuple[ItemStatus, ...] = ()
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    errored: tuple[str, ...] = ()
    criterion: str | None = None
    least_score: float | None = None
    most_score: float | None = None
    least_latency: int | None = None
    most_latency: int | None = None
    least_tokens: int | None = None
    most_tokens: int | None = None
    errors: tuple[str, ...] = ()
    error_codes: tuple[str, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ChosenItems:
    """Items that were chosen, in their order.

    Attributes:
        numbers: The number of each in the columns of the run; None for all of them in order of position.
        position: Positions of all items of the run.
        repeat: Repeats of all items of the run.
    """

    numbers: Numbers | None
    position: Numbers
    repeat: Numbers

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.position) if self.numbers is None else len(self.numbers)

    def keys(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return position and repeat of those from one rank up to another."""
        rows = slice(start, stop) if self.numbers is None else self.numbers[start:stop]
        return list(zip(self.position[rows].tolist(), self.repeat[rows].tolist(), strict=True))

    def rank_of(self, position: int, repeat: int) -> int | None:
        """Return the rank of an item; None if it is not among them."""
        first = int(np.searchsorted(self.position, position))
        last = int(np.searchsorted(self.position, position, side="right"))
        at = np.flatnonzero(self.repeat[first:last] == repeat)
        if not len(at):
            return None
        number = first + int(at[0])
        if self.numbers is None:
            return number
        ranks = np.flatnonzero(self.numbers == number)
        return int(ranks[0]) if len(ranks) else None


@dataclass(slots=True)
class _Run:
    """The columns of one version of a run as far as they were needed, and what was chosen of them."""

    columns: RunColumns
    arrays: dict[str, Numbers] = field(default_factory=dict[str, Numbers])
    orders: dict[str, tuple[Numbers, int]] = field(default_factory=dict[str, tuple[Numbers, int]])
    chosen: OrderedDict[object, ChosenItems] = field(default_factory=OrderedDict[object, ChosenItems])

    @property
    def size(self) -> int:
        kept = [*self.arrays.values(), *(order for order, _ in self.orders.values())]
        kept += [each.numbers for each in self.chosen.values() if each.numbers is not None]
        return sum(each.nbytes for each in kept if any(each.strides))


class ItemChooser:
    """Chooses items of runs; it keeps what it has chosen last."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES, kept_bytes_an_item: int = _KEPT_BYTES_AN_ITEM) -> None:
        """Keep nothing yet.

        Args:
            kept_bytes: Most memory that is used for what was chosen before.
            kept_bytes_an_item: The same for each item of the largest run that was asked for, if that is more.
        """
        self._kept_bytes = kept_bytes
        self._kept_bytes_an_item = kept_bytes_an_item
        self._kept: OrderedDict[tuple[int, ...], _Run] = OrderedDict()
        self._lock, self._loading = Lock(), Lock()

    async def choose(
        self, tx: ReadTransaction, run: Run, parent: Eval, wanted: RunItemFilter, sort: tuple[ItemSort, Order]
    ) -> ChosenItems:
        """Return the wanted items of a run.

        Args:
            tx: Open transaction.
            run: The run.
            parent: Its eval.
            wanted: Which items.
            sort: By what they are sorted, and in which order; those without such a value come last.

        Raises:
            NoColumnsError: The run has too many items, and its columns are not made yet.
            InvalidRequestError: A criterion or a field that is named does not exist.
        """
        names = [criterion.name for criterion in run.criteria(parent)]
        fields = tuple(name for name, _ in wanted.groups)
        needed = [*_needed(wanted, sort[0], names)]
        version = (run.key, *await find_items_version(tx, run.scope, run.key))
        key = (wanted, sort)
        with self._lock:
            kept = self._kept.get(version)
            if kept is not None and key in kept.chosen:
                self._kept.move_to_end(version)
                kept.chosen.move_to_end(key)
                return kept.chosen[key]
        # One at a time: two that load the same columns would take twice the memory, and neither would be sooner.
        with self._loading:
            kept = await self._load(tx, run, self._kept.get(version), needed, fields, len(names))
            chosen = _choose(kept, wanted, sort, names)
            with self._lock:
                self._keep(version, kept)
                kept.chosen[key] = chosen
                self._forget(version)
        return chosen

    def _keep(self, version: tuple[int, ...], kept: _Run) -> None:
        """Keep a version of a run instead of earlier ones."""
        for other in [each for each in self._kept if each[0] == version[0] and each != version]:
            del self._kept[other]
        self._kept[version] = kept
        self._kept.move_to_end(version)

    @staticmethod
    async def _load(
        tx: ReadTransaction, run: Run, kept: _Run | None, needed: Sequence[str], fields: Sequence[str], criteria: int
    ) -> _Run:
        if run.tally.total <= SMALL_RUN_ITEMS and criteria <= _MANY_CRITERIA:
            # Perhaps they have to be made of the rows, and then it is best done once.
            needed = [name for name in _ALL if name not in ("outcome", "criterion_score")]
            needed += [f"{kind}:{number}" for kind in ("outcome", "criterion_score") for number in range(criteria)]
        known = {} if kept is None else kept.arrays
        missing = [name for name in needed if name not in known]
        missing_fields = [name for name in fields if f"field:{name}" not in known]
        if kept is not None and not missing and not missing_fields:
            return kept
        columns = await load_columns(tx, run, criteria, missing, missing_fields)
        found = kept or _Run(columns)
        found.arrays |= {name: _narrowed(columns.array(name)) for name in missing}
        found.arrays |= {f"field:{name}": columns.field(name) for name in missing_fields if name in columns.fields}
        return found

    def _forget(self, current: tuple[int, ...]) -> None:
        """Drop what was not asked for lately, the current choice never."""
        largest = max(run.columns.count for run in self._kept.values())
        most = max(self._kept_bytes, self._kept_bytes_an_item * largest)
        while sum(run.size for run in self._kept.values()) > most:
            oldest = next(iter(self._kept))
            run = self._kept[oldest]
            if oldest != current:
                del self._kept[oldest]
            elif len(run.chosen) > 1:
                run.chosen.popitem(last=False)
            else:
                return


def _narrowed(values: Numbers) -> Numbers:
    """Return whole numbers in half of the memory, if they fit, and in none if all are 0, as most repeats are."""
    if values.dtype.kind in "iu" and not values.any():
        return np.broadcast_to(values.dtype.type(0), values.shape)
    if values.dtype != np.int64 or (len(values) and int(np.abs(values).max()) > np.iinfo(np.int32).max):
        return values
    return values.astype(np.int32)


def _needed(wanted: RunItemFilter, sort: ItemSort, names: Sequence[str]) -> list[str]:
    """Return the names of the columns that a choice looks at."""
    score = "score" if wanted.criterion is None else f"criterion_score:{_number(names, wanted.criterion, 'criterion')}"
    needed = ["position", "repeat"]
    if wanted.statuses:
        needed.append("status")
    for param, given in (("passed", wanted.passed), ("failed", wanted.failed), ("errored", wanted.errored)):
        needed += [f"outcome:{_number(names, name, param)}" for name in given]
    if sort == "score" or wanted.least_score is not None or wanted.most_score is not None:
        needed.append(score)
    if sort == "latency" or wanted.least_latency is not None or wanted.most_latency is not None:
        needed.append("latency")
    if sort == "tokens" or wanted.least_tokens is not None or wanted.most_tokens is not None:
        needed.append("tokens")
    if wanted.errors or wanted.error_codes:
        needed.append("error")
    return list(dict.fromkeys(needed))


def _number(names: Sequence[str], name: str, param: str) -> int:
    if name not in names:
        known = ", ".join(map(repr, names)) or "none"
        raise InvalidRequestError(
            f"The run has no criterion {name!r}; its criteria: {known}.", param=param, code="invalid_value"
        )
    return names.index(name)


def _choose(run: _Run, wanted: RunItemFilter, sort: tuple[ItemSort, Order], names: Sequence[str]) -> ChosenItems:
    position, repeat = run.arrays["position"], run.arrays["repeat"]
    is_wanted = _is_wanted(run, wanted, names)
    by, order = sort
    if by == "position":
        numbers = None if is_wanted is None else np.flatnonzero(is_wanted).astype(np.int32)
        if order == "desc":
            numbers = (np.arange(len(position), dtype=np.int32) if numbers is None else numbers)[::-1]
        return ChosenItems(numbers, position, repeat)
    numbers = _in_order(run, by, wanted.criterion, order, names)
    return ChosenItems(numbers if is_wanted is None else numbers[is_wanted[numbers]], position, repeat)


def _is_wanted(run: _Run, wanted: RunItemFilter, names: Sequence[str]) -> Numbers | None:
    """Return for each item whether it is wanted; None if all are."""
    arrays = run.arrays
    conditions: list[Numbers] = []
    if wanted.statuses:
        conditions.append(np.isin(arrays["status"], [status.value for status in wanted.statuses]))
    for outcome, given in ((PASSED, wanted.passed), (FAILED, wanted.failed), (ERRORED, wanted.errored)):
        conditions += [arrays[f"outcome:{names.index(name)}"] == outcome for name in given]
    score = "score" if wanted.criterion is None else f"criterion_score:{names.index(wanted.criterion)}"
    for name, least, most in (
        (score, wanted.least_score, wanted.most_score),
        ("latency", wanted.least_latency, wanted.most_latency),
        ("tokens", wanted.least_tokens, wanted.most_tokens),
    ):
        # Absent latencies and tokens are no small ones.
        if least is not None or most is not None:
            values = arrays[name]
            conditions.append(~np.isnan(values) if name == score else values > (-1 if name == "latency" else 0))
            if least is not None:
                conditions.append(values >= least)
            if most is not None:
                conditions.append(values <= most)
    if wanted.errors or wanted.error_codes:
        conditions.append(_has_error(run, wanted))
    conditions += [_in_group(run, name, text) for name, text in wanted.groups]
    if not conditions:
        return None
    return np.logical_and.reduce(conditions)


def _has_error(run: _Run, wanted: RunItemFilter) -> Numbers:
    numbers = [
        number
        for number, (code, message) in enumerate(run.columns.errors, 1)
        if (not wanted.errors or message in wanted.errors) and (not wanted.error_codes or code in wanted.error_codes)
    ]
    return np.isin(run.arrays["error"], numbers)


def _in_group(run: _Run, name: str, text: str) -> Numbers:
    columns = run.columns
    codes = run.arrays.get(f"field:{name}")
    if codes is None:
        known = ", ".join(map(repr, columns.fields)) or "none"
        raise InvalidRequestError(
            f"The items have no field {name!r} with at most 200 different values; those that have: {known}.",
            param="group",
            code="invalid_value",
        )
    return np.isin(codes, places_of(columns.fields[name], text))


def _in_order(run: _Run, by: ItemSort, criterion: str | None, order: Order, names: Sequence[str]) -> Numbers:
    """Return the numbers of all items in an order by a value; those without it come last."""
    name = {"score": "score", "latency": "latency", "tokens": "tokens"}[by]
    if by == "score" and criterion is not None:
        name = f"criterion_score:{names.index(criterion)}"
    found = run.orders.get(name)
    if found is None:
        values = run.arrays[name]
        is_known = ~np.isnan(values) if by == "score" else values > (-1 if by == "latency" else 0)
        known = np.flatnonzero(is_known).astype(np.int32)
        ordered = known[np.argsort(values[known], kind="stable")]
        found = run.orders[name] = np.concatenate((ordered, np.flatnonzero(~is_known).astype(np.int32))), len(known)
    numbers, known_count = found
    if order == "asc":
        return numbers
    return np.concatenate((numbers[:known_count][::-1], numbers[known_count:]))
