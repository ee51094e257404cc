"""Which items of a run a query asks for: the parameters that the table of items and the export have in common."""

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Query
from pydantic import Field

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.paging import Order
from evalhaven.domain.statuses import ITEM_STATUS_FILTERS
from evalhaven.wire.output_items import EvalRunOutputItemStatusFilter

if TYPE_CHECKING:
    from evalhaven.reports.item_pages import ItemQuestion

Texts = list[Annotated[str, Field(max_length=2000)]]


def item_question(  # noqa: PLR0913, PLR0917 - one for each parameter of the query
    status: Annotated[
        list[EvalRunOutputItemStatusFilter] | None, Query(description="How they ended; may be repeated.")
    ] = None,
    passed: Annotated[Texts | None, Query(description="Name of a criterion that passed; may be repeated.")] = None,
    failed: Annotated[Texts | None, Query(description="Name of a criterion that failed; may be repeated.")] = None,
    errored: Annotated[Texts | None, Query(description="Name of a criterion that erred; may be repeated.")] = None,
    criterion: Annotated[
        str | None, Query(description="The criterion that is meant by scores. Without it, the mean of all.")
    ] = None,
    least_score: Annotated[float | None, Query(description="Lowest score.")] = None,
    most_score: Annotated[float | None, Query(description="Highest score.")] = None,
    least_latency: Annotated[int | None, Query(ge=0, description="Fewest milliseconds.")] = None,
    most_latency: Annotated[int | None, Query(ge=0, description="Most milliseconds.")] = None,
    least_tokens: Annotated[int | None, Query(ge=0, description="Fewest tokens.")] = None,
    most_tokens: Annotated[int | None, Query(ge=0, description="Most tokens.")] = None,
    error: Annotated[
        Texts | None, Query(description="Message of an error, as in the report; may be repeated: any of them.")
    ] = None,
    error_code: Annotated[Texts | None, Query(description="Code of an error; may be repeated: any of them.")] = None,
    group: Annotated[
        Texts | None, Query(description="A field and its value, such as `topic:billing`; may be repeated: all of them.")
    ] = None,
    text: Annotated[
        str | None,
        Query(description="What the item, the answer or the error contains, whatever the case.", max_length=2000),
    ] = None,
    sort: Annotated[
        Literal["position", "score", "latency", "tokens"],
        Query(description="By what they are sorted; those without such a value come last."),
    ] = "position",
    order: Annotated[Order, Query(description="`asc` has the lowest first.")] = "asc",
) -> "ItemQuestion":
    """Return which items of a run a query asks for, and in which order."""
    from evalhaven.reports.item_choice import RunItemFilter  # noqa: PLC0415 - loads numpy
    from evalhaven.reports.item_pages import ItemQuestion  # noqa: PLC0415

    wanted = RunItemFilter(
        statuses=tuple(ITEM_STATUS_FILTERS[each] for each in dict.fromkeys(status or ())),
        passed=tuple(passed or ()),
        failed=tuple(failed or ()),
        errored=tuple(errored or ()),
        criterion=criterion,
        least_score=least_score,
        most_score=most_score,
        least_latency=least_latency,
        most_latency=most_latency,
        least_tokens=least_tokens,
        most_tokens=most_tokens,
        errors=tuple(error or ()),
        error_codes=tuple(error_code or ()),
        groups=tuple(map(group_of, group or ())),
    )
    return ItemQuestion(wanted, (sort, order), text or None)


def group_of(text: str) -> tuple[str, str]:
    """Return the field and the value that a group is named by.

    Raises:
        InvalidRequestError: There is no colon between them.
    """
    name, colon, value = text.partition(":")
    if not colon:
        raise InvalidRequestError(
            "'group' must be a field and its value with a colon between, such as topic:billing.",
            param="group",
            code="invalid_value",
        )
    return name, value
