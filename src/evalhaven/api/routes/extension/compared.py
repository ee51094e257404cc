"""What several endpoints are asked about a comparison: the runs, how their items are paired, and which are meant."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from evalhaven.domain.errors import InvalidRequestError

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


@dataclass(frozen=True, slots=True)
class ComparedItems:
    """Items of a comparison that are asked for.

    Attributes:
        run: The run.
        base: The run that it is compared with; None to choose it.
        key: Fields that name an item, instead of its whole content.
        changes: What happened to the items; empty for all.
        criterion: The criterion that is meant by changes and scores; None for all together.
        group: A field and its value.
    """

    run: str
    base: str | None
    key: tuple[str, ...]
    changes: tuple[str, ...]
    criterion: str | None
    group: tuple[str, str] | None


def _compared_items(
    run: OneRun,
    *,
    base: Base = None,
    key: Key = None,
    change: ChangeOf = None,
    criterion: CriterionOf = None,
    group: Group = None,
) -> ComparedItems:
    return ComparedItems(run, base, tuple(key or ()), tuple(change or ()), criterion, _group_of(group))


ComparedItemsOf = Annotated[ComparedItems, Depends(_compared_items)]


def _group_of(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    name, colon, value = text.partition(":")
    if not colon:
        raise InvalidRequestError(
            "'group' must be a field and its value with a colon between, such as topic:billing.",
            param="group",
            code="invalid_value",
        )
    return name, value
