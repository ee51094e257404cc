"""What the `evalhaven` keys of responses have in common."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from evalhaven.wire.contract import JsonObject, NonEmptyStr, OpenObject, WireModel, fault

_MAX_REPEATS = 1000
_MAX_LABELS = 16
_MAX_LABEL_CHARS = 64


class DocumentWarning(OpenObject):
    """Tell what was accepted in a document though it has no effect or cannot work."""

    pointer: str = Field(description="The place, as a JSON Pointer (RFC 6901).")
    message: str = Field(description="What is wrong, and the cure.")


class EvalExtension(OpenObject):
    """Hold what Evalhaven tells of an eval beyond the published contract."""

    warnings: list[DocumentWarning] = Field(description="What has no effect in the eval, or cannot work.")
    version: int = Field(description="1, or one more than that of the eval that it follows.")
    follows: str | None = Field(
        description="The eval of which it is the next version; it may have been deleted. Null for a first version."
    )


class CreateEvalExtension(WireModel):
    """Ask of Evalhaven what the published contract has no word for."""

    follows: NonEmptyStr | None = Field(
        default=None,
        description="An eval of which the new one is the next version: trends and comparisons go on across both. "
        "Several evals may follow the same one.",
    )


class RunBudget(WireModel):
    """Limit what a run may spend, in dollars, in tokens or in both.

    A run that reaches a limit ends as `failed`. What it finished stays.
    """

    cost: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Most US dollars, by the price table. Calls of judges count too."
    )
    tokens: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most tokens of all calls. Calls of judges count too."
    )

    @model_validator(mode="after")
    def _require_a_limit(self) -> Self:
        if self.cost is None and self.tokens is None:
            raise fault("is required, unless 'tokens' is given", "cost")
        return self


class CreateEvalRunExtension(WireModel):
    """Ask of Evalhaven what the published contract has no word for."""

    repeats: Annotated[int, Field(ge=1, le=_MAX_REPEATS)] | None = Field(
        default=None, description="Samples of each item. Without it, 1."
    )
    cache: bool | None = Field(
        default=None, description="Whether to take the answer given before to the same request. Without it, false."
    )
    max_concurrency: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most calls of this run under way at once. The endpoint's own limit holds too."
    )
    extra_body: JsonObject | None = Field(
        default=None, description="Further keys of the body of each request. A key that the run sets itself is refused."
    )
    budget: RunBudget | None = Field(default=None, description="What the run may spend. Without it, there is no limit.")
    labels: Annotated[list[NonEmptyStr], Field(fail_fast=True)] | None = Field(
        default=None, description=f"Up to {_MAX_LABELS} texts of up to {_MAX_LABEL_CHARS} characters."
    )

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
    """Show how long the calls took that were answered. Percentiles are right to 5 %."""

    mean_ms: float = Field(description="The mean, in milliseconds.")
    p50_ms: float = Field(description="Half of the calls took no longer.")
    p95_ms: float = Field(description="95 % of the calls took no longer.")
    p99_ms: float = Field(description="99 % of the calls took no longer.")


class RunCost(OpenObject):
    """Show US dollars by the price table."""

    target: float | None = Field(description="What the samples cost. Null if any call has no price.")
    judge: float | None = Field(description="What the judges cost. Null if any call has no price.")


class RunRegrading(OpenObject):
    """Show whose samples a run grades, as that run was when it was read, and by which criteria."""

    run_id: str = Field(description="The run that has the samples.")
    status: str = Field(description="Its status at that time.")
    times_retried: int = Field(description="How often it had been retried by then.")
    imported_from: str | None = Field(description="Where it was imported from. Null for a run executed here.")
    criteria: str = Field(description="Where the criteria come from: `eval` or `request`.")
    testing_criteria: list[JsonObject] = Field(description="The criteria.")


class EvalRunExtension(OpenObject):
    """Hold what Evalhaven tells of a run beyond the published contract. Options are shown as they hold."""

    items_planned: int | None = Field(description="How many output items there will be. Null until it is known.")
    started_at: int | None = Field(description="When the run was taken up, in Unix seconds. Null until then.")
    ended_at: int | None = Field(description="When the run ended, in Unix seconds. Null until then.")
    warnings: list[DocumentWarning] = Field(description="What has no effect in the run, or cannot work.")
    unresolved: int = Field(description="Items in which a placeholder of a criterion had no value.")
    errors: dict[str, int] = Field(description="Errored items by the code of their error.")
    repeats: int = Field(description="Samples of each item.")
    cache: bool = Field(description="Whether answers given before to the same request are taken.")
    max_concurrency: int | None = Field(description="Most calls under way at once, as the request asked.")
    extra_body: JsonObject | None = Field(description="Further keys of each request's body.")
    budget: RunBudget | None = Field(description="What the run may spend. Null without a limit.")
    labels: list[str] = Field(description="Texts that the request gave.")
    strict: bool = Field(description="Whether the run was created with `strict=true`.")
    latency: RunLatency | None = Field(description="How long calls took. Null until one is answered.")
    cost: RunCost | None = Field(description="What the run cost. Null until a call is counted.")
    usage_split: JsonObject | None = Field(
        description="`per_model_usage` of samples (`target`) and of judges (`judge`), with reasoning tokens and cost. "
        "Null until a call is counted."
    )
    retries: int = Field(description="Calls beyond the first of an item.")
    cache_hits: int = Field(description="Items that needed no call.")
    limiter: JsonObject | None = Field(
        description="What limited the calls when items were last stored. Null for a run that calls no model."
    )
    sandbox: JsonObject | None = Field(
        description="How `python` graders are isolated: the `tier`, why others were `rejected`, and the `environments` "
        "that graders import from. Null without such graders."
    )
    times_retried: int = Field(description="How often what had no result was executed again.")
    regraded: RunRegrading | None = Field(
        description="Whose samples the run grades. Null for a run with samples of its own."
    )


class EvalRunOutputItemExtension(OpenObject):
    """Hold what Evalhaven tells of an output item or of one result in it; the keys are open."""
