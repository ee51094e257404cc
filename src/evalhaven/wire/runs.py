"""Runs: creation, the object, its lists and its deletion."""

from typing import Annotated, Literal

from pydantic import WithJsonSchema

from evalhaven.wire.contract import UnixTime, WireModel
from evalhaven.wire.data_sources import RunDataSource
from evalhaven.wire.extension import CreateEvalRunExtension, EvalRunExtension
from evalhaven.wire.metadata import Metadata

EvalRunStatus = Literal["queued", "in_progress", "completed", "canceled", "failed"]
"""Where a run stands; the last three are final."""


class CreateEvalRunRequest(WireModel):
    """Start a run. Published schema CreateEvalRunRequest; `evalhaven` holds Evalhaven's own settings of it."""

    data_source: RunDataSource
    name: str | None = None
    metadata: Metadata = None
    evalhaven: CreateEvalRunExtension | None = None


class EvalApiError(WireModel):
    """Tell why a run or a sample failed. Published schema EvalApiError."""

    code: str
    message: str


class EvalRunResultCounts(WireModel):
    """Count finished output items, while the run goes on too: `total` = `passed` + `failed` + `errored`."""

    total: int
    errored: int
    failed: int
    passed: int


class EvalRunModelUsage(WireModel):
    """Count the calls and tokens of one resolved model, as sampled model and as judge."""

    model_name: str
    invocation_count: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int


class EvalRunCriterionResult(WireModel):
    """Count the grades of one testing criterion. Both ids are the same; recordings lack the later keys."""

    testing_criteria: str
    testing_criteria_id: str | None = None
    passed: int
    failed: int
    errored: int | None = None


class EvalRun(WireModel):
    """Show a run. Published schema EvalRun.

    `per_model_usage` and `per_testing_criteria_results` are null until the first item ends. `model` is
    "" when nothing is sampled. `error` is null unless the run failed. `created_at` is Unix seconds.
    """

    object: Literal["eval.run"]
    id: str
    eval_id: str
    report_url: Annotated[str, WithJsonSchema({"type": "string", "format": "uri"})]
    status: EvalRunStatus
    model: str
    name: str
    created_at: UnixTime
    result_counts: EvalRunResultCounts
    per_model_usage: list[EvalRunModelUsage] | None
    per_testing_criteria_results: list[EvalRunCriterionResult] | None
    data_source: RunDataSource
    error: EvalApiError | None
    metadata: Metadata
    shared_with_openai: bool
    evalhaven: EvalRunExtension | None = None


class EvalRunList(WireModel):
    """Show a page of runs; both ids are null on an empty page. Published schema EvalRunList."""

    object: Literal["list"]
    data: list[EvalRun]
    first_id: str | None
    last_id: str | None
    has_more: bool


class EvalRunDeleted(WireModel):
    """Confirm that a run is deleted. Published as the answer of deleteEvalRun."""

    object: Literal["eval.run.deleted"]
    deleted: bool
    run_id: str
