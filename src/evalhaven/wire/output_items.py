"""Output items: an item, its sample and its grades, as shown and listed."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import JsonObject, OpenObject, UnixTime, WireModel
from evalhaven.wire.extension import EvalRunOutputItemExtension
from evalhaven.wire.runs import EvalApiError

EvalRunOutputItemStatus = Literal["pass", "fail", "error"]
"""How an output item came out."""

EvalRunOutputItemStatusFilter = Literal["pass", "passed", "fail", "failed", "error", "errored"]
"""Values of the list's `status` filter; the published text itself spells some of them both ways."""


class SampleMessage(OpenObject):
    """Show a message that a model was sent; media parts of the content are flattened into its text."""

    role: str
    content: str | list[object] | None
    tool_calls: list[object] | None = None


class SampleOutputMessage(OpenObject):
    """Show a message that a model answered, tool calls in chat completions form."""

    role: str | None = None
    content: str | list[object] | None = None
    tool_calls: list[object] | None = None


class SampleUsage(WireModel):
    """Count the tokens of a sample."""

    total_tokens: int
    completion_tokens: int
    prompt_tokens: int
    cached_tokens: int


class EvalRunOutputItemSample(OpenObject):
    """Show what a model was sent, what it answered, and with which parameters."""

    input: list[SampleMessage]
    output: list[SampleOutputMessage]
    finish_reason: str
    model: str
    usage: SampleUsage
    error: EvalApiError | None
    temperature: float | None
    max_completion_tokens: int | None
    top_p: float | None
    seed: int | None


class EvalRunOutputItemResult(OpenObject):
    """Show one grade: `name` is the criterion's id. Published schema EvalRunOutputItemResult.

    `sample` is the call to the judge, null when the grader asks no model. `type` is such as
    "string-check-grader".
    """

    name: str
    type: str | None = None
    score: float
    passed: bool
    sample: JsonObject | None = None
    evalhaven: EvalRunOutputItemExtension | None = None


class EvalRunOutputItem(WireModel):
    """Show an output item. Published schema EvalRunOutputItem.

    `datasource_item_id` is the item's position in its source, from 0; `created_at` is when the item
    ended, in Unix seconds.
    """

    object: Literal["eval.run.output_item"]
    id: str
    run_id: str
    eval_id: str
    created_at: UnixTime
    status: EvalRunOutputItemStatus
    datasource_item_id: int
    datasource_item: JsonObject
    results: list[EvalRunOutputItemResult]
    sample: EvalRunOutputItemSample
    datasource_item_content_hash: str | None = Field(default=None, alias="_datasource_item_content_hash")
    evalhaven: EvalRunOutputItemExtension | None = None


class EvalRunOutputItemList(WireModel):
    """Show a page of output items; both ids are null on an empty page.

    Published schema EvalRunOutputItemList.
    """

    object: Literal["list"]
    data: list[EvalRunOutputItem]
    first_id: str | None
    last_id: str | None
    has_more: bool
