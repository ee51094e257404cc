"""The comparison of runs with a baseline: differences with intervals, and the items that changed."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import JsonObject, OpenObject
from evalhaven.wire.reports import ReportRate

Change = Literal["fixed", "regressed", "passed", "failed", "errored", "missing", "new"]
"""What happened to an item: only the candidate passes it (more often), only the baseline, both or neither (alike); one
of them has no result; only the baseline has it; only the candidate has it."""


class ComparedRun(OpenObject):
    """Name a run that is compared."""

    run_id: str = Field(description="The run.")
    eval_id: str = Field(description="Its eval.")
    name: str = Field(description="Its name.")
    model: str = Field(description="The model that it samples; empty if none.")
    status: str = Field(description="Its status.")
    created_at: int = Field(description="When it was created, in Unix seconds.")
    items: int = Field(description="Its output items.")


class Difference(OpenObject):
    """Show a difference, candidate less baseline, and what is known of its uncertainty."""

    value: float = Field(description="The difference.")
    low: float | None = Field(description="Lower limit of the 95 % interval. Null if there is no interval.")
    high: float | None = Field(description="Upper limit of the 95 % interval. Null if there is no interval.")
    p: float | None = Field(description="Two-sided p-value against no difference. Null if there is none.")
    p_exact: float | None = Field(description="Exact p-value of McNemar's test. Null for other methods.")
    newcombe: list[float] | None = Field(description="Newcombe's paired interval, beside Tango's. Null if not paired.")
    visible: float | None = Field(description="Smallest difference that these items show with 80 % power.")
    method: str = Field(description="How it was compared.")
    items: int = Field(description="Pairs of items that have a result in both runs.")
    verdict: str = Field(
        description="`better`, `worse` or `undecided`; with a margin `better`, `no_regression`, `regression` or "
        "`inconclusive`."
    )
    reason: str | None = Field(description="Why it is inconclusive. Null otherwise.")
    items_needed: int | None = Field(description="Items that would settle it if nothing has changed.")
    items_if_true: int | None = Field(description="Items that would settle it if the estimate is true.")


class ComparedCounts(OpenObject):
    """Count paired items by what happened to them, and those without a partner."""

    fixed: int = Field(description="Items that only the candidate passes, or that it passes more often.")
    regressed: int = Field(description="Items that only the baseline passes, or that it passes more often.")
    passed: int = Field(description="Items that pass in both.")
    failed: int = Field(description="Items that fail in both, or pass equally often in some samples.")
    errored: int = Field(description="Items without a result in one of the runs, or in both.")
    missing: int = Field(description="Items that only the baseline has.")
    new: int = Field(description="Items that only the candidate has.")
    different: int = Field(description="Items that are fixed or have regressed.")
    same: int = Field(description="Items that pass in both or fail in both.")
    unpaired: int = Field(description="Items that only one of the runs has.")
    total: int = Field(description="All of them.")


class ComparedCriterion(OpenObject):
    """Show how one criterion differs."""

    name: str = Field(description="Name of the criterion.")
    counts: ComparedCounts = Field(description="Items by what happened to them.")
    baseline: ReportRate = Field(description="Rate of the baseline over the paired items with a result in both.")
    candidate: ReportRate = Field(description="Rate of the candidate over the same items.")
    difference: Difference = Field(description="Difference of the rates.")
    score_difference: Difference | None = Field(
        description="Difference of the mean scores, where scores are not only 0 and 1."
    )


class ComparisonWarning(OpenObject):
    """Say what makes a comparison less than it seems."""

    what: str = Field(description="Short, stable name.")
    message: str = Field(description="A sentence.")


class RunComparison(OpenObject):
    """Compare one run with the baseline."""

    candidate: ComparedRun = Field(description="The run.")
    sentence: str = Field(description="What it comes to, in plain words.")
    paired_by: str | None = Field(
        description="`content`, `fields` or `position`. Null if items could not be paired, and rates were compared."
    )
    counts: ComparedCounts = Field(description="Items by what happened to them.")
    baseline_rate: ReportRate = Field(description="Rate of the baseline over the paired items with a result in both.")
    candidate_rate: ReportRate = Field(description="Rate of the candidate over the same items.")
    difference: Difference = Field(description="Difference of the rates.")
    criteria: list[ComparedCriterion] = Field(description="Each criterion that both runs have.")
    warnings: list[ComparisonWarning] = Field(description="What makes the comparison less than it seems.")


class Comparison(OpenObject):
    """Compare runs with a baseline."""

    object: Literal["run.comparison"] = Field(description="Always `run.comparison`.")
    baseline: ComparedRun | None = Field(description="The run they are compared with. Null if there is none.")
    chosen: str = Field(description="How the baseline was chosen: `named`, `pinned`, `earlier` or `none`.")
    margin: float | None = Field(description="How much worse a run may be, as the request said.")
    comparisons: list[RunComparison] = Field(description="One for each run.")


class PinnedRun(OpenObject):
    """Tell whether a run is the one with which later runs of its eval are compared."""

    eval_id: str = Field(description="The eval.")
    run_id: str = Field(description="The run.")
    pinned: bool = Field(description="Whether it is pinned.")


class ComparedResult(OpenObject):
    """Show what one criterion said of one sample."""

    name: str = Field(description="Name of the criterion.")
    score: float | None = Field(description="Its score. Null if it erred.")
    passed: bool | None = Field(description="Whether it passed. Null if it erred.")


class ComparedError(OpenObject):
    """Show why a sample has no result."""

    code: str = Field(description="Code of the error.")
    message: str = Field(description="Its message.")


class ComparedSample(OpenObject):
    """Show one sample of a compared item."""

    id: str = Field(description="Id of the output item.")
    datasource_item_id: int = Field(description="Position of the item in its run.")
    repeat: int = Field(description="0-based number of the sample.")
    status: str = Field(description="`pass`, `fail` or `error`.")
    score: float | None = Field(description="Mean score of the criteria. Null if there is none.")
    output_text: str | None = Field(description="What was answered. Null if there is no answer.")
    results: list[ComparedResult] = Field(description="What each criterion said.")
    error: ComparedError | None = Field(description="Why there is no result. Null if there is one.")


class ComparedItem(OpenObject):
    """Show an item as it came out in both runs."""

    change: Change = Field(description="What happened to it.")
    score_change: float | None = Field(
        description="Its score in the run less that in the baseline. Null without a score in both."
    )
    baseline: list[ComparedSample] = Field(description="Its samples in the baseline; none if it is new.")
    candidate: list[ComparedSample] = Field(description="Its samples in the run; none if it is missing.")
    item: JsonObject | None = Field(description="The item as the run has it, or else the baseline.")


class ComparedItemList(OpenObject):
    """Show a page of compared items."""

    object: Literal["list"] = Field(description="Always `list`.")
    data: list[ComparedItem] = Field(description="The items.")
    total: int | None = Field(description="How many there are in all. Null where texts are searched.")
    counts: ComparedCounts | None = Field(
        description="Items by what happened to them, whatever `change` says. Null where texts are searched."
    )
    next: str | None = Field(description="What to send as `after` for the next page. Null on the last one.")
    has_more: bool = Field(description="Whether another page follows.")
    cut: bool = Field(description="Whether the search ended early: the next page goes on with it.")
