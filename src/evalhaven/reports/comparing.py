"""Comparing: which run is the baseline, how its items are paired with those of another, and what of that is kept."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Lock
from typing import Literal

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import InvalidJsonError, JsonValue, parse
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.reports.columns.form import PART_BYTES, PART_ITEMS
from evalhaven.reports.columns.loading import NoColumnsError, load_columns
from evalhaven.reports.comparison import ComparedSide, PairedRuns
from evalhaven.reports.fields import Field, MissingFieldError
from evalhaven.reports.pairing import FEW_PAIRS, Pairing, RunItems, items_of, pair_items
from evalhaven.storage.evals import get_eval
from evalhaven.storage.pins import find_pinned_run, list_completed_before
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import find_items_version, list_items_for_columns
from evalhaven.storage.runs import get_run_by_id
from evalhaven.storage.versions import list_line

Chosen = Literal["named", "pinned", "earlier", "none"]
"""How a baseline was chosen."""

NOT_READY = "comparison_not_ready"
"""The code of the error where the items of a run are still being prepared."""

_EARLIER = 8
_MOST_OF = 0.5
_ALL_OF = 0.99
_KEPT_ITEMS = 4_000_000
_NAMES = ("key", "position", "repeat", "status", "score", "outcome", "criterion_score")


@dataclass(frozen=True, slots=True)
class HowToPair:
    """How items are paired.

    Attributes:
        fields: Fields of items that name them, instead of their whole content.
        cluster: Field whose values make clusters of items that are not independent.
    """

    fields: tuple[str, ...] = ()
    cluster: str | None = None


class Comparer:
    """Compares runs; it keeps the last pairs of runs that were asked for, so that paging and filtering are quick."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._kept: OrderedDict[tuple[object, ...], PairedRuns] = OrderedDict()
        self._lock = Lock()

    async def pair(
        self, tx: ReadTransaction, scope: ProjectScope, baseline_id: str, run_id: str, how: HowToPair
    ) -> PairedRuns:
        """Return two runs with their items paired.

        Args:
            tx: Open transaction.
            scope: Whose runs.
            baseline_id: The run to compare with.
            run_id: The run.
            how: How their items are paired.

        Raises:
            NotFoundError: One of the runs is not there.
            InvalidRequestError: Their items are not ready, or a field cannot be used.
        """
        baseline, candidate = await get_run_by_id(tx, scope, baseline_id), await get_run_by_id(tx, scope, run_id)
        versions = [(run.key, *await find_items_version(tx, scope, run.key)) for run in (baseline, candidate)]
        wanted = (scope, *versions, how)
        with self._lock:
            kept = self._kept.get(wanted)
            if kept is not None:
                self._kept.move_to_end(wanted)
                # What is told of the runs themselves may have changed, their items have not.
                return replace(
                    kept,
                    baseline=replace(kept.baseline, run=baseline),
                    candidate=replace(kept.candidate, run=candidate),
                )
        paired = await _pair(tx, baseline, candidate, how)
        with self._lock:
            self._kept[wanted] = paired
            while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > _KEPT_ITEMS:
                self._kept.popitem(last=False)
        return paired

    async def side(self, tx: ReadTransaction, scope: ProjectScope, run_id: str, how: HowToPair) -> ComparedSide:
        """Return a run with its items, to be judged without a baseline.

        Raises:
            NotFoundError: The run is not there.
            InvalidRequestError: Its items are not ready.
        """
        run = await get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, run.eval_id)
        return ComparedSide(run, parent, await _items(tx, run, parent, how, "candidate"))

    async def find_baseline(
        self, tx: ReadTransaction, scope: ProjectScope, run_id: str, how: HowToPair
    ) -> tuple[str | None, Chosen]:
        """Return the run that another is compared with unasked: the pinned one, else the most comparable earlier one.

        Runs of the evals that its eval follows count, too.

        Args:
            tx: Open transaction.
            scope: Whose runs.
            run_id: The run.
            how: How items are paired.

        Raises:
            NotFoundError: The run is not there.
            InvalidRequestError: Its items, or those of an earlier run, are not ready.
        """
        run = await get_run_by_id(tx, scope, run_id)
        line = await list_line(tx, scope, run.eval_key)
        pinned = await find_pinned_run(tx, scope, line)
        if pinned is not None and pinned.key != run.key:
            return pinned.id, "pinned"
        best, best_share = None, _MOST_OF
        for earlier in await list_completed_before(tx, scope, line, run, _EARLIER):
            try:
                pairing = (await self.pair(tx, scope, earlier.id, run.id, how)).pairing
            except InvalidRequestError as error:
                # Until they can be read, nobody knows which run is the most comparable, or that none is.
                if error.code == NOT_READY:
                    raise
                continue
            share = 0.0 if pairing is None else pairing.share
            if share > best_share or (share == best_share and best is None):
                best, best_share = earlier.id, share
            if share >= _ALL_OF:
                break
        return best, "none" if best is None else "earlier"


async def _pair(tx: ReadTransaction, baseline: Run, candidate: Run, how: HowToPair) -> PairedRuns:
    sides: list[ComparedSide] = []
    for role, run in (("baseline", baseline), ("candidate", candidate)):
        parent = await get_eval(tx, run.scope, run.eval_id)
        sides.append(ComparedSide(run, parent, await _items(tx, run, parent, how, role)))
    before, after = sides
    if how.cluster is not None and how.cluster not in after.items.columns.fields:
        raise InvalidRequestError(
            f"The items have no field {how.cluster!r} with at most 200 different values.",
            param="cluster",
            code="invalid_value",
        )
    pairing = _pairing(before, after, how)
    return PairedRuns(before, after, pairing if len(pairing.baseline) else None, how.cluster)


def _pairing(before: ComparedSide, after: ComparedSide, how: HowToPair) -> Pairing:
    """Pair items by named fields or by content; by position if few have a partner of equal content, but one file."""
    found = pair_items(before.items, after.items, "fields" if how.fields else "content")
    if how.fields or found.share >= FEW_PAIRS or not _read_one_file(before.run, after.run):
        return found
    by_position = pair_items(before.items, after.items, "position")
    return by_position if by_position.share > found.share else found


async def _items(tx: ReadTransaction, run: Run, parent: Eval, how: HowToPair, role: str) -> RunItems:
    fields = [] if how.cluster is None else [how.cluster]
    try:
        columns = await load_columns(tx, run, len(run.criteria(parent)), _NAMES, fields)
    except NoColumnsError as error:
        raise InvalidRequestError(
            f"The items of run {run.id!r} are still being prepared for comparisons. Ask again in a moment.",
            param="runs" if role == "candidate" else "base",
            code=NOT_READY,
        ) from error
    return items_of(columns, await _field_keys(tx, run, how.fields, role) if how.fields else None)


async def _field_keys(tx: ReadTransaction, run: Run, fields: Sequence[str], role: str) -> dict[int, int]:
    """Return a number for the values of some fields, for each position; items without them have no partner."""
    keys: dict[int, int] = {}
    named_fields = [Field(name) for name in fields]
    last: tuple[int, int] | None = None
    has_any = False
    while rows := await list_items_for_columns(
        tx, run.scope, run.key, after=last, limit=PART_ITEMS, most_bytes=PART_BYTES
    ):
        for row in rows:
            values = _values(row.item, named_fields)
            has_any = has_any or values is not None
            named = [role, row.position] if values is None else ["", values]
            text = json.dumps(named, sort_keys=True).encode()
            keys[row.position] = int.from_bytes(blake2b(text, digest_size=8).digest())
        last = (rows[-1].position, rows[-1].repeat)
    if keys and not has_any:
        raise InvalidRequestError(
            f"No item of run {run.id!r} has the fields {', '.join(map(repr, fields))}.",
            param="key",
            code="invalid_value",
        )
    return keys


def _values(item: str, fields: Sequence[Field]) -> list[JsonValue] | None:
    try:
        parsed = parse(item)
        return [field.value_in(parsed) for field in fields]
    except (InvalidJsonError, MissingFieldError):
        return None


def _read_one_file(baseline: Run, candidate: Run) -> bool:
    return baseline.file_id is not None and baseline.file_id == candidate.file_id


def _size(pair: PairedRuns) -> int:
    return pair.baseline.items.columns.count + pair.candidate.items.columns.count
