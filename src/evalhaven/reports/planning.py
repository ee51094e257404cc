"""Planning: how many items and repeats a question needs, from what the last runs of the eval had in common."""

from dataclasses import dataclass

import numpy as np

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Eval
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.domain.wording import counted, in_points
from evalhaven.reports.comparing import NOT_READY, Comparer, HowToPair
from evalhaven.reports.comparison import ComparedSide, rate_of
from evalhaven.stats.comparisons import FEWEST_CLUSTERS_TO_JUDGE, FEWEST_ITEMS
from evalhaven.stats.planning import (
    SPREAD_WITHOUT_HISTORY,
    items_for_no_regression,
    items_for_threshold,
    items_to_reach,
    items_to_see,
    items_with_repeats,
    power_of_each,
    spread_with_repeats,
    visible_difference,
)
from evalhaven.stats.repeats import within_items
from evalhaven.storage.pins import list_completed_runs
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.plans import EvalPlan, PlanHistory, PlannedItems

_LAST_RUNS = 6
_MOST_OF = 0.5
_REPEATS = (1, 2, 3, 5, 10)


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """What a plan is for.

    Attributes:
        difference: Difference of the rates that is to be seen, above 0.
        margin: How much worse a run may be.
        threshold: Rate that is to be reached.
        criteria: How many criteria have to pass together.
    """

    difference: float | None
    margin: float | None
    threshold: float | None
    criteria: int

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing in particular is asked for."""
        return self.difference is None and self.margin is None and self.threshold is None


@dataclass(frozen=True, slots=True)
class _Found:
    """What two runs or more say."""

    runs: list[str]
    pairs: int
    spread: float
    within: float | None
    between: float


async def read_plan(
    tx: ReadTransaction,
    scope: ProjectScope,
    comparer: Comparer,
    parent: Eval,
    question: PlanQuestion,
    how: HowToPair,
) -> EvalPlan:
    """Return how many items a question needs.

    Args:
        tx: Open transaction.
        scope: Whose eval.
        comparer: Pairs the items of runs.
        parent: The eval.
        question: What the plan is for.
        how: How the items of its runs are paired.
    """
    newest, found, has_unready = await _history(tx, scope, comparer, parent, how)
    rate = None if newest is None else rate_of(newest.items.values(), newest.items.samples_each).value
    items = 0 if newest is None else len(newest.items.starts)
    power = power_of_each(question.criteria)
    within = None if found is None else found.within
    spread = SPREAD_WITHOUT_HISTORY if found is None else found.spread
    plans: list[PlannedItems] = []
    for repeats in _REPEATS if within is not None else (1,):
        with_repeats = spread
        if found is not None and within is not None:
            # Where neither the runs nor the samples of an item differed, the next one may.
            with_repeats = spread_with_repeats(found.between, within, repeats) or spread
        planned = _planned(question, repeats, with_repeats, power, items)
        threshold = _for_threshold(question.threshold, rate, within, repeats, power)
        plans.append(planned.model_copy(update={"threshold": threshold}))
    history = PlanHistory(
        runs=[] if found is None else found.runs,
        pairs=0 if found is None else found.pairs,
        items=items,
        rate=rate,
        spread=spread,
        is_assumed=found is None,
        within=within,
    )
    return EvalPlan(
        object="eval.plan",
        eval_id=parent.id,
        sentence=_sentence(question, plans[0], items),
        power=power,
        history=history,
        plans=plans,
        notes=_notes(question, history, has_unready=has_unready),
    )


async def _history(
    tx: ReadTransaction, scope: ProjectScope, comparer: Comparer, parent: Eval, how: HowToPair
) -> tuple[ComparedSide | None, _Found | None, bool]:
    """Return the newest run, what it and those before it have in common, and whether a run could not be read yet."""
    newest: ComparedSide | None = None
    last: ComparedSide | None = None
    has_unready = False
    compared: list[str] = []
    pairs, changed, of_samples = 0, 0.0, 0.0
    sides: list[ComparedSide] = []
    for run in await list_completed_runs(tx, scope, parent.key, _LAST_RUNS):
        try:
            side = await comparer.side(tx, scope, run.id, how)
        except InvalidRequestError as error:
            if error.code != NOT_READY:
                raise
            has_unready = True
            continue
        newest = newest or side
        if last is None:
            last = side
            continue
        pair = await comparer.pair(tx, scope, run.id, last.run.id, how)
        if pair.pairing is None or pair.pairing.share < _MOST_OF:
            continue
        comparison = pair.compare()
        if not comparison.items or comparison.spread is None:
            continue
        if not compared:
            compared.append(last.run.id)
            sides.append(last)
        compared.append(run.id)
        sides.append(side)
        pairs += comparison.items
        changed += comparison.items * comparison.spread
        of_samples += comparison.items * (1 / last.items.samples_each + 1 / side.items.samples_each)
        last = side
    if not pairs:
        return newest, None, has_unready
    spread, within = changed / pairs, _within(sides)
    between = max(0.0, spread - (within or 0.0) * of_samples / pairs)
    return newest, _Found(compared, pairs, spread, within, between), has_unready


def _within(sides: list[ComparedSide]) -> float | None:
    counts: dict[tuple[int, int], int] = {}
    for items in (side.items for side in sides):
        if not items.is_repeated:
            continue
        status = items.columns.array("status")
        samples = np.add.reduceat((status != ItemStatus.ERROR).astype(np.int64), items.starts)
        passes = np.add.reduceat((status == ItemStatus.PASS).astype(np.int64), items.starts)
        kinds, numbers = np.unique(np.stack((samples, passes), axis=1), axis=0, return_counts=True)
        for (n, c), number in zip(kinds.tolist(), numbers.tolist(), strict=True):
            counts[n, c] = counts.get((n, c), 0) + number
    return within_items(counts)


def _planned(question: PlanQuestion, repeats: int, spread: float, power: float, items: int) -> PlannedItems:
    fewest = FEWEST_ITEMS if repeats == 1 else FEWEST_CLUSTERS_TO_JUDGE
    difference, margin = None, None
    if question.difference is not None:
        # If the difference is there, at least as many items have changed.
        difference = items_to_see(question.difference, max(spread, question.difference), power)
    if question.margin is not None:
        margin = items_for_no_regression(spread, question.margin, power)
    return PlannedItems(
        repeats=repeats,
        spread=spread,
        difference=None if difference is None else max(fewest, difference),
        margin=None if margin is None else max(fewest, margin),
        threshold=None,
        visible=visible_difference(items, spread, power) if items else None,
    )


def _for_threshold(
    threshold: float | None, rate: float | None, within: float | None, repeats: int, power: float
) -> int | None:
    if threshold is None:
        return None
    fewest = items_to_reach(threshold)
    if rate is None:
        return None if fewest is None else max(FEWEST_ITEMS, fewest)
    needed = items_for_threshold(rate, threshold, power)
    if needed is None:
        return None
    if repeats > 1:
        needed = items_with_repeats(needed, rate, within or 0.0, repeats)
    # A rate below the threshold can be shown with fewer items than one that reaches it.
    return max(needed, FEWEST_ITEMS, (fewest or 0) if rate > threshold and repeats == 1 else 0)


def _sentence(question: PlanQuestion, plan: PlannedItems, items: int) -> str:
    parts: list[str] = []
    if question.difference is not None:
        parts.append(f"To see a difference of {in_points(question.difference)} takes {_of(plan.difference)}")
    if question.margin is not None:
        parts.append(f"To show that a run is no more than {in_points(question.margin)} worse takes {_of(plan.margin)}")
    if question.threshold is not None:
        parts.append(f"To tell whether {100 * question.threshold:g} % are reached takes {_of(plan.threshold)}")
    if not parts and not items:
        return "Nothing is known of this eval yet: say which difference, margin or threshold the plan is for."
    if not parts and plan.visible is None:
        return f"{counted(items, 'item shows', 'items show')} no difference that is likely here."
    if not parts and plan.visible is not None:
        return f"{counted(items, 'item shows', 'items show')} a difference of {100 * plan.visible:.1f} points."
    return ". ".join(parts) + "."


def _of(items: int | None) -> str:
    return "more items than there can be" if items is None else counted(items, "item")


def _notes(question: PlanQuestion, history: PlanHistory, *, has_unready: bool) -> list[str]:
    notes: list[str] = []
    if history.is_assumed:
        notes.append(
            "There are no two completed runs over the same items, so it is assumed that 10 % of the items change "
            "between two runs."
        )
    else:
        notes.append(
            f"Between the last {len(history.runs)} comparable runs {100 * history.spread:.1f} % of the items changed "
            "(the variance of an item's difference)."
        )
    if has_unready:
        notes.append("A run was left out, since its items are still being prepared. Ask again in a moment.")
    if not history.is_assumed and history.within is None:
        notes.append("No item was sampled more than once, so what repeats would save is not known.")
    if question.threshold is not None and history.rate is None:
        notes.append("Nothing is known of the rate: so many items show the threshold only if all of them pass.")
    if question.difference is not None and question.difference > history.spread:
        notes.append("Fewer items changed than the difference needs, so as many were taken to change as it needs.")
    if question.criteria > 1:
        notes.append(f"So that {question.criteria} criteria pass together, each has to pass more surely.")
    return notes
