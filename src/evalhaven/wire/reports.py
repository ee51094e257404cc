"""The report of a run: what its items add up to, with intervals, and what cannot be told; its breakdown by a field."""

from typing import Any, Literal

from pydantic import Field, RootModel

from evalhaven.wire.contract import OpenObject
from evalhaven.wire.errors import ErrorResponse


class ReportRate(OpenObject):
    """Show a rate or a mean between 0 and 1, with what is known of its uncertainty."""

    value: float | None = Field(description="The rate, 0 to 1. Null without items.")
    low: float | None = Field(description="Lower limit of the 95 % interval. Null if there is no interval.")
    high: float | None = Field(description="Upper limit of the 95 % interval. Null if there is no interval.")
    items: int = Field(description="Number of items.")
    method: str = Field(description="How the limits were computed: `wilson` or `wilson_effective_size`.")
    thin: bool = Field(description="Whether there are fewer than 30 items.")


class ReportHistogram(OpenObject):
    """Show how many scores lie in each of equally wide bins; the last one includes its upper end."""

    low: float = Field(description="Lower end of the first bin.")
    high: float = Field(description="Upper end of the last bin.")
    counts: list[int] = Field(description="Scores in each bin.")


class ReportScores(OpenObject):
    """Show the scores that a criterion gave."""

    items: int = Field(description="Number of scores.")
    mean: float = Field(description="Their mean.")
    deviation: float | None = Field(description="Their standard deviation. Null for a single score.")
    low: float = Field(description="The lowest score.")
    high: float = Field(description="The highest score.")
    mean_interval: list[float] | None = Field(
        description="Both limits of the mean's 95 % interval, for scores between 0 and 1 of at least 10 items."
    )
    histogram: ReportHistogram | None = Field(description="How they are spread. Null if all are equal.")


class ReportLabel(OpenObject):
    """Show how often a judge gave a label."""

    label: str = Field(description="The label.")
    items: int = Field(description="Results with this label.")


class LabelAgreement(OpenObject):
    """Show how well a criterion found one label of the reference."""

    label: str = Field(description="The label.")
    support: int = Field(description="Items whose reference is this label.")
    predicted: int = Field(description="Items to which the criterion gave it.")
    correct: int = Field(description="Items for which both are so.")
    precision: ReportRate = Field(description="Which share of what it gave is right.")
    recall: ReportRate = Field(description="Which share of the reference it found.")
    f1: float | None = Field(description="Harmonic mean of both. Null if it is not defined.")


class ReportAgreement(OpenObject):
    """Show how the labels of a criterion agree with a field of the items."""

    field: str = Field(description="The field that holds the reference.")
    items: int = Field(description="Items that have both.")
    accuracy: ReportRate = Field(description="Share of equal labels.")
    macro_f1: float | None = Field(description="Mean F1 over the labels. Null if it is not defined for any.")
    labels: list[LabelAgreement] = Field(description="Each label.")


class ReportCriterion(OpenObject):
    """Show what the grades of one criterion add up to."""

    name: str = Field(description="Name of the criterion.")
    type: str = Field(description="Type of its grader.")
    passed: int = Field(description="Grades that passed.")
    failed: int = Field(description="Grades that failed.")
    errored: int = Field(description="Grades that erred. They count neither as passed nor as failed.")
    rate: ReportRate = Field(description="Share of passed among passed and failed.")
    scores: ReportScores | None = Field(description="Its scores. Null without any.")
    labels: list[ReportLabel] = Field(description="Labels that a judge gave, the most frequent first.")
    agreement: ReportAgreement | None = Field(description="How its labels agree with the `reference` that was named.")


class ReportError(OpenObject):
    """Show items that erred alike."""

    code: str = Field(description="Code of the error.")
    message: str = Field(description="Its message, shortened.")
    items: int = Field(description="Number of items.")
    first_item: str | None = Field(description="`datasource_item_id` of the first of them.")


class ReportSpread(OpenObject):
    """Show how values are spread. A percentile is the smallest value that so many of them do not exceed."""

    items: int = Field(description="Number of values.")
    mean: float = Field(description="The mean.")
    p50: float = Field(description="The median.")
    p90: float = Field(description="90 % do not exceed it.")
    p95: float = Field(description="95 % do not exceed it.")
    p99: float = Field(description="99 % do not exceed it.")
    high: float = Field(description="The highest value.")
    histogram: ReportHistogram | None = Field(
        description="Counts in equally wide bins from 0 to a round number above `p99`; the last bin also has what is "
        "above. Null if all are 0."
    )


class ReportGroup(OpenObject):
    """Show the items that have one value in a field."""

    value: str | int | float | bool | None = Field(description="The value. Null for items without the field.")
    items: int = Field(description="Number of items.")
    passed: int = Field(description="Items that passed.")
    failed: int = Field(description="Items that failed.")
    errored: int = Field(description="Items that erred.")
    rate: ReportRate = Field(description="Share of passed among passed and failed.")


class ReportBreakdown(OpenObject):
    """Show the items by the values of a field."""

    field: str = Field(description="Name of the field, such as `topic` or `metadata.language`.")
    values: int = Field(description="Number of different values.")
    groups: list[ReportGroup] = Field(description="The largest groups first, at most 200.")


class ReportField(OpenObject):
    """Name a field of the items by which the run can be broken down."""

    name: str = Field(description="Name of the field.")
    values: int | None = Field(
        description="Number of different values. Null if there are more than 200, or long ones: then the breakdown is "
        "computed on request, by `/api/runs/{run_id}/breakdown`."
    )


class ReportRepeat(OpenObject):
    """Show what k samples of an item achieve."""

    k: int = Field(description="Number of samples.")
    items: int = Field(description="Items with at least k samples that have a result.")
    left_out: int = Field(description="Items with fewer.")
    at_least_one: ReportRate = Field(description="pass@k: the chance that at least one of k samples passes.")
    all_of_them: ReportRate = Field(description="pass^k: the chance that all of k samples pass.")


class ReportRepeats(OpenObject):
    """Show how samples of the same item agree."""

    items: int = Field(description="Items with more than one result.")
    unstable: int = Field(description="Items of which some samples passed and some failed.")
    unstable_items: list[str] = Field(description="`datasource_item_id` of the first hundred of these.")
    by_k: list[ReportRepeat] = Field(description="For each k that was asked for.")


class ReportUsage(OpenObject):
    """Show the calls of one model in one role."""

    model: str = Field(description="The model, as its endpoint named it.")
    role: Literal["target", "judge"] = Field(description="Whether it was evaluated or graded.")
    calls: int = Field(description="Calls that were answered.")
    prompt_tokens: int = Field(description="Tokens sent.")
    completion_tokens: int = Field(description="Tokens answered.")
    total_tokens: int = Field(description="Both.")
    cost: float | None = Field(description="US dollars. Null if any call has no price.")


class ReportGap(OpenObject):
    """Say what the report cannot tell, and why."""

    what: str = Field(description="The key of the report that is affected.")
    why: str = Field(description="The reason, and what would help.")


class RunReport(OpenObject):
    """Report what the items of a run add up to."""

    object: Literal["run.report"] = Field(description="Always `run.report`.")
    run_id: str = Field(description="The run.")
    eval_id: str = Field(description="Its eval.")
    name: str = Field(description="Name of the run.")
    model: str = Field(description="The model that it samples; empty if none.")
    status: str = Field(description="Status of the run.")
    items: int = Field(description="Output items so far.")
    items_planned: int | None = Field(description="How many there will be. Null until it is known.")
    passed: int = Field(description="Items whose every criterion passed.")
    failed: int = Field(description="Items for which some criterion failed.")
    errored: int = Field(description="Items without a result.")
    rate: ReportRate = Field(description="Share of passed among passed and failed; the mean over items with repeats.")
    criteria: list[ReportCriterion] = Field(description="Each criterion, in the eval's order.")
    errors: list[ReportError] = Field(description="Errored items by message, the most frequent first, at most 100.")
    latency_ms: ReportSpread | None = Field(description="Milliseconds of the calls that answered. Null without any.")
    tokens: ReportSpread | None = Field(description="Tokens of the calls that answered. Null without any.")
    usage: list[ReportUsage] = Field(description="Calls, tokens and dollars by model and role.")
    cost: float | None = Field(description="US dollars of all calls. Null if any has no price.")
    repeats: ReportRepeats | None = Field(description="How repeated samples agree. Null without repeats.")
    fields: list[ReportField] = Field(description="Fields by which the report can be broken down.")
    breakdowns: list[ReportBreakdown] = Field(description="By each field that was named.")
    gaps: list[ReportGap] = Field(description="What the report cannot tell, and why.")


class BreakdownProgress(OpenObject):
    """Say how far a breakdown is."""

    object: Literal["run.breakdown.progress"] = Field(description="Always `run.breakdown.progress`.")
    items: int = Field(description="Output items that have been read.")
    total: int = Field(description="Output items of the run.")


class BreakdownGroup(OpenObject):
    """Show the output items that have one value in the field."""

    object: Literal["run.breakdown.group"] = Field(description="Always `run.breakdown.group`.")
    value: Any = Field(description="The value, whatever its type. Null, too, for items without the field.")
    missing: bool = Field(description="Whether these are the items without the field.")
    shortened: bool = Field(description="Whether `value` is only the first 1,000 characters of it.")
    items: int = Field(description="Number of output items.")
    passed: int = Field(description="Output items that passed.")
    failed: int = Field(description="Output items that failed.")
    errored: int = Field(description="Output items that erred.")
    rate: ReportRate = Field(description="Share of passed among passed and failed; the mean over items with repeats.")


class RunBreakdown(OpenObject):
    """End a breakdown. Without this line, it was cut short."""

    object: Literal["run.breakdown"] = Field(description="Always `run.breakdown`.")
    run_id: str = Field(description="The run.")
    field: str = Field(description="The field, as it was named.")
    status: str = Field(description="Status of the run.")
    items: int = Field(description="Output items that were counted.")
    values: int = Field(description="Number of different values.")
    has_more: bool = Field(description="Whether there are more groups than `limit` allowed.")


class BreakdownLine(RootModel[BreakdownProgress | BreakdownGroup | RunBreakdown | ErrorResponse]):
    """A line of a breakdown: progress, then the groups, then the end, or an error if the run was deleted meanwhile."""
