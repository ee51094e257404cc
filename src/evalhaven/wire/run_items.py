"""The items of a run as rows of a table, and where one of them stands."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject
from evalhaven.wire.overviews import CriterionName


class ItemResult(OpenObject):
    """Show what one criterion said of an item."""

    passed: bool | None = Field(description="Whether it passed. Null if it erred, or was not asked.")
    score: float | None = Field(description="Its score. Null if it erred, or was not asked.")
    error: str | None = Field(description="Code of its error. Null unless it erred.")


class ItemProblem(OpenObject):
    """Show why an item has no result."""

    code: str = Field(description="Code of the error.")
    message: str = Field(description="Its message, shortened as in reports.")


class ItemRow(OpenObject):
    """Show an output item as a row. Texts are previews; those that were cut end with an ellipsis."""

    rank: int | None = Field(description="Its place in the table, from 0 on. Null where items have no rank.")
    id: str = Field(description="The output item.")
    datasource_item_id: int = Field(description="Position of the item in its source.")
    repeat: int = Field(description="0-based number of the sample.")
    status: str = Field(description="`pass`, `fail` or `error`.")
    score: float | None = Field(description="Mean score of the criteria. Null if it erred.")
    results: list[ItemResult] = Field(description="What each criterion said, in the order of `criteria`.")
    input: str | None = Field(description="What the model was asked last, or the first text of the item.")
    output: str | None = Field(description="The answer. Null if there is none.")
    expected: str | None = Field(
        description="The right answer: the field that a criterion compares the answer with, or else one with a usual "
        "name, such as `expected` or `answer`. Null if there is none."
    )
    fields: dict[str, str | None] = Field(description="The fields that were asked for. Null where the item has none.")
    latency_ms: int | None = Field(description="Milliseconds of the call that answered. Null if none did.")
    tokens: int | None = Field(description="Tokens of the calls. Null if none is known.")
    model: str | None = Field(description="The model that answered, as its endpoint named it.")
    finish_reason: str | None = Field(description="Why the answer ended. Null if it is not known.")
    error: ItemProblem | None = Field(description="Why it has no result. Null if it has one.")


class ItemRowList(OpenObject):
    """Show a page of the items of a run."""

    object: Literal["list"] = Field(description="Always `list`.")
    run_id: str = Field(description="The run.")
    status: str = Field(description="Its status.")
    items: int = Field(description="Its output items so far.")
    items_planned: int | None = Field(description="How many there will be. Null until it is known.")
    partial: bool = Field(description="Whether items are still to come, or the run ended before it had all.")
    ranked: bool = Field(
        description="Whether items can be sorted, filtered and asked for by rank. If not, the run has more than 20,000 "
        "items and goes on, or was not prepared yet: then `status`, `limit` and `after` are all that can be asked for."
    )
    criteria: list[CriterionName] = Field(description="The criteria of the run, in the order of `results`.")
    expected_field: str | None = Field(
        description="Field with which a criterion compares the answer. Null if none says so."
    )
    start: int | None = Field(alias="from", description="Rank of the first row. Null where items have no rank.")
    total: int | None = Field(description="How many items there are in all. Null where texts are searched.")
    data: list[ItemRow] = Field(description="The rows; fewer than asked for if they are large.")
    has_more: bool = Field(description="Whether others follow.")
    next: str | None = Field(description="What to send as `after` for the next page. Null on the last one.")
    cut: bool = Field(description="Whether the search ended early: the next page goes on with it.")


class ElsewhereSample(OpenObject):
    """Show one sample of the same item in another run."""

    id: str = Field(description="The output item.")
    datasource_item_id: int = Field(description="Its position in that run.")
    repeat: int = Field(description="0-based number of the sample.")
    status: str = Field(description="`pass`, `fail` or `error`.")
    score: float | None = Field(description="Mean score of the criteria. Null if it erred.")
    output: str | None = Field(description="Preview of the answer. Null if there is none.")


class ItemElsewhere(OpenObject):
    """Show the same item in another run of the eval."""

    run_id: str = Field(description="The run.")
    run_name: str = Field(description="Its name.")
    model: str = Field(description="The model that it samples; empty if none.")
    run_status: str = Field(description="Its status.")
    created_at: int = Field(description="When it was created, in Unix seconds.")
    samples: list[ElsewhereSample] = Field(description="Its samples there; none if it is not there.")


class ItemPlace(OpenObject):
    """Tell where an item stands within a choice of items, and how it came out in other runs."""

    object: Literal["run.item_place"] = Field(description="Always `run.item_place`.")
    id: str = Field(description="The output item.")
    run_id: str = Field(description="Its run.")
    eval_id: str = Field(description="Its eval.")
    datasource_item_id: int = Field(description="Position of the item in its source.")
    repeat: int = Field(description="0-based number of the sample.")
    rank: int | None = Field(description="Its rank within the choice. Null if it is not part of it, or not ranked yet.")
    total: int | None = Field(description="How many items the choice has. Null where items are not ranked yet.")
    previous: str | None = Field(description="The output item before it. Null if there is none.")
    next: str | None = Field(description="The output item after it. Null if there is none.")
    elsewhere: list[ItemElsewhere] = Field(
        description="The same item, told by its content as in comparisons, in the 20 newest other runs of the eval."
    )
    elsewhere_complete: bool = Field(
        description="Whether all of these were searched. Runs that are under way or very large are searched only at "
        "the item's own position."
    )


class ItemFound(OpenObject):
    """Tell which run an output item belongs to."""

    object: Literal["run.item_found"] = Field(description="Always `run.item_found`.")
    id: str = Field(description="The output item.")
    run_id: str = Field(description="Its run; the newest, where imported runs share the id.")
    run_name: str = Field(description="Name of the run.")
    eval_id: str = Field(description="Its eval.")
    eval_name: str = Field(description="Name of the eval.")
    datasource_item_id: int = Field(description="Position of the item in its source.")
    repeat: int = Field(description="0-based number of the sample.")
    status: str = Field(description="`pass`, `fail` or `error`.")
