"""The gate: a policy, and what was decided by it."""

from typing import Annotated, Literal

from pydantic import Field

from evalhaven.wire.comparisons import ComparedRun, Difference
from evalhaven.wire.contract import NonEmptyStr, OpenObject, WireModel
from evalhaven.wire.reports import ReportRate

TierName = Literal["critical", "supporting", "advisory"]

Share = Annotated[float, Field(ge=0, le=1)]


class CriterionPolicy(WireModel):
    """Say what one criterion has to achieve."""

    tier: TierName = Field(
        default="critical",
        description="`critical` has to pass, `supporting` must not certainly fail, `advisory` is only told.",
    )
    margin: Share | None = Field(default=None, description="How much worse its rate may be. Without it, the policy's.")
    threshold: Share | None = Field(default=None, description="Rate that it has to reach, with or without a baseline.")


class GatePolicy(WireModel):
    """Say what a run has to achieve to pass."""

    margin: Share | None = Field(
        default=None,
        description="How much worse the rate of a run may be than that of its baseline: 0.02 is two points. With 0 "
        "only an improvement passes.",
    )
    threshold: Share | None = Field(
        default=None, description="Share of items that have to pass, with or without a baseline."
    )
    criteria: dict[str, CriterionPolicy] | None = Field(
        default=None,
        description="By the name of a criterion, what it has to achieve. Criteria that are not named are advisory. "
        "Without it, items have to pass as a whole.",
    )
    most_unknown: Share = Field(
        default=0.05, description="Share of rows that may have errors, and share that may be in one run only."
    )
    key: Annotated[list[NonEmptyStr], Field(fail_fast=True)] | None = Field(
        default=None, description="Fields that name an item, instead of its whole content."
    )
    cluster: NonEmptyStr | None = Field(
        default=None, description="Field whose values make groups of items that are not independent."
    )


class GateCheck(OpenObject):
    """Show what one check came to."""

    name: str = Field(description="Name of the criterion, or `all criteria` for items as a whole.")
    tier: TierName = Field(description="What it can do to the outcome.")
    margin: float | None = Field(description="The margin. Null for a check of a threshold.")
    threshold: float | None = Field(description="The threshold. Null for a check of a margin.")
    verdict: str = Field(description="`better`, `no_regression`, `regression`, `reached`, `below` or `inconclusive`.")
    reason: str | None = Field(description="Why it is inconclusive. Null otherwise.")
    difference: Difference | None = Field(description="The difference. Null for a threshold.")
    rate: ReportRate | None = Field(description="The rate. Null for a margin.")
    p_regression: float | None = Field(description="One-sided p-value against no regression.")
    p_adjusted: float | None = Field(description="The same with the other checks taken into account (Holm).")
    items_needed: int | None = Field(description="Items that would settle it if nothing has changed.")
    items_if_true: int | None = Field(description="Items that would settle it if the estimate is true.")


class GateResult(OpenObject):
    """Show what the gate decided."""

    object: Literal["run.gate"] = Field(description="Always `run.gate`.")
    outcome: Literal["pass", "fail", "inconclusive"] = Field(description="What was decided.")
    exit_status: int = Field(description="0 for pass, 1 for fail, 2 for inconclusive.")
    sentence: str = Field(description="What was decided and why, and how many items would settle what is not.")
    run: ComparedRun = Field(description="The run.")
    baseline: ComparedRun | None = Field(description="The run it was compared with. Null if with none.")
    chosen: str = Field(description="How the baseline was chosen: `named`, `pinned`, `earlier` or `none`.")
    paired_by: str | None = Field(description="How items were paired. Null if they were not.")
    checks: list[GateCheck] = Field(description="Each check.")
    warnings: list[str] = Field(description="What makes the decision less than it seems.")
