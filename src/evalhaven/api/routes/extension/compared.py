"""What several endpoints are asked about a comparison: the runs, how their items are paired, and which are meant."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, Query

from evalhaven.api.item_questions import group_of
from evalhaven.domain.paging import Order

if TYPE_CHECKING:
    from evalhaven.reports.compared_items import ItemFilter

Base = Annotated[
    str | None,
    Query(description="The run to compare with. Without it, the pinned one, else the most comparable earlier one."),
]
Key = Annotated[
    list[str] | None,
    Query(description="Field that names an item, instead of its whole content; may be repeated."),
]
OneRun = Annotated[str, Query(description="The run to compare.")]
ChangeOf = Annotated[
    list[str] | None,
    Query(
        description="What happened to an item: `fixed`, `regressed`, `passed`, `failed`, `errored`, `missing` or "
        "`new`; may be repeated."
    ),
]
CriterionOf = Annotated[
    str | None, Query(description="The criterion that is meant by changes and scores. Without it, all together.")
]
Group = Annotated[str | None, Query(description="A field and its value, such as `topic:billing`.")]
LeastChange = Annotated[float | None, Query(description="Lowest difference of the scores, run less baseline.")]
MostChange = Annotated[float | None, Query(description="Highest difference of the scores, run less baseline.")]
LeastScore = Annotated[float | None, Query(description="Lowest score in the run.")]
MostScore = Annotated[float | None, Query(description="Highest score in the run.")]
SearchedText = Annotated[str | None, Query(description="What the item or an answer contains, whatever the case.")]
SortBy = Annotated[
    Literal["position", "change"],
    Query(
        description="By what they are sorted: their position in the run, or the change of their score; those without "
        "it come last."
    ),
]
Direction = Annotated[Order, Query(description="`asc` has the lowest first.")]


@dataclass(frozen=True, slots=True)
class ComparedItems:
    """Items of a comparison that are asked for.

    Attributes:
        run: The run.
        base: The run that it is compared with; None to choose it.
        key: Fields that name an item, instead of its whole content.
        wanted: Which of them, and in which order.
    """

    run: str
    base: str | None
    key: tuple[str, ...]
    wanted: "ItemFilter"


def _compared_items(  # noqa: PLR0913 - one for each parameter of the query
    run: OneRun,
    *,
    base: Base = None,
    key: Key = None,
    change: ChangeOf = None,
    criterion: CriterionOf = None,
    least_change: LeastChange = None,
    most_change: MostChange = None,
    least_score: LeastScore = None,
    most_score: MostScore = None,
    group: Group = None,
    text: SearchedText = None,
    sort: SortBy = "position",
    order: Direction = "asc",
) -> ComparedItems:
    from evalhaven.reports.compared_items import ItemFilter  # noqa: PLC0415 - loads numpy

    wanted = ItemFilter(
        changes=tuple(change or ()),
        criterion=criterion,
        least_change=least_change,
        most_change=most_change,
        least_score=least_score,
        most_score=most_score,
        group=None if group is None else group_of(group),
        text=text or None,
        sort=sort,
        order=order,
    )
    return ComparedItems(run, base, tuple(key or ()), wanted)


ComparedItemsOf = Annotated[ComparedItems, Depends(_compared_items)]
