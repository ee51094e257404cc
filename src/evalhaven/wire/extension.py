"""What the `evalhaven` keys of responses have in common."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from evalhaven.wire.contract import JsonObject, NonEmptyStr, OpenObject, WireModel, fault

_MAX_REPEATS = 1000
_MAX_LABELS = 16
_MAX_LABEL_CHARS = 64


class DocumentWarning(OpenObject):
    """Tell what was accepted in a document though it has no effect or cannot work.

    `pointer` is the JSON Pointer (RFC 6901) of the place, `message` says what is wrong and the cure.
    """

    pointer: str
    message: str


class EvalExtension(OpenObject):
    """Hold what Evalhaven tells of an eval beyond the published contract."""

    warnings: list[DocumentWarning]


class RunBudget(WireModel):
    """Limit what a run may spend: `cost` in US dollars by the price table, `tokens` of all its calls.

    A run that reaches it ends as `failed`; what it finished stays.
    """

    cost: Annotated[float, Field(gt=0)] | None = None
    tokens: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _require_a_limit(self) -> Self:
        if self.cost is None and self.tokens is None:
            raise fault("is required, unless 'tokens' is given", "cost")
        return self


class CreateEvalRunExtension(WireModel):
    """Ask of Evalhaven what the published contract has no word for.

    `repeats` is the number of samples of each item, `cache` takes answers given before to the same request,
    `max_concurrency` limits the calls under way at once, `extra_body` adds keys to each request's body.
    """

    repeats: Annotated[int, Field(ge=1, le=_MAX_REPEATS)] | None = None
    cache: bool | None = None
    max_concurrency: Annotated[int, Field(ge=1)] | None = None
    extra_body: JsonObject | None = None
    budget: RunBudget | None = None
    labels: Annotated[list[NonEmptyStr], Field(fail_fast=True)] | None = None

    @model_validator(mode="after")
    def _require_short_labels(self) -> Self:
        labels = self.labels or ()
        if len(labels) > _MAX_LABELS:
            raise fault(f"must have at most {_MAX_LABELS} entries", "labels")
        for index, label in enumerate(labels):
            if len(label) > _MAX_LABEL_CHARS:
                raise fault(f"must be at most {_MAX_LABEL_CHARS} characters", "labels", index)
        return self


class RunLatency(OpenObject):
    """Show how long the answering calls took, in milliseconds; percentiles are right to 5 %."""

    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class RunCost(OpenObject):
    """Show US dollars by the price table, of sampling and of judging; null where some call has no price."""

    target: float | None
    judge: float | None


class RunRegrading(OpenObject):
    """Show whose samples a run grades, as that run was when it was read, and by which criteria.

    `criteria` is "eval" or "request", after where `testing_criteria` come from; `imported_from` is where that run was
    imported from, null for one executed here.
    """

    run_id: str
    status: str
    times_retried: int
    imported_from: str | None
    criteria: str
    testing_criteria: list[JsonObject]


class EvalRunExtension(OpenObject):
    """Hold what Evalhaven tells of a run beyond the published contract.

    `items_planned` is null until it is known; times are Unix seconds, null until they happen; `unresolved` counts
    items in which a placeholder of a criterion did not resolve; `errors` counts errored items by kind. What the
    request asked for is shown as it holds, `strict` among it. `usage_split` is `per_model_usage` by role; `limiter` is
    how the calls went at the last second, null for a run that calls no model. `sandbox` tells how `python` graders are
    isolated: the `tier`, why others were `rejected`, and the `environments` they import from; null without such
    graders. `times_retried` counts how often what had no result was executed again; `regraded` is null for a run with
    samples of its own.
    """

    items_planned: int | None
    started_at: int | None
    ended_at: int | None
    warnings: list[DocumentWarning]
    unresolved: int
    errors: dict[str, int]
    repeats: int
    cache: bool
    max_concurrency: int | None
    extra_body: JsonObject | None
    budget: RunBudget | None
    labels: list[str]
    strict: bool
    latency: RunLatency | None
    cost: RunCost | None
    usage_split: JsonObject | None
    retries: int
    cache_hits: int
    limiter: JsonObject | None
    sandbox: JsonObject | None
    times_retried: int
    regraded: RunRegrading | None


class EvalRunOutputItemExtension(OpenObject):
    """Hold what Evalhaven tells of an output item or of one result in it; the keys are open."""
