"""Overviews of evals and of runs: what lists of them show at a glance."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.comparisons import Difference
from evalhaven.wire.contract import OpenObject
from evalhaven.wire.reports import ReportRate


class RunProblem(OpenObject):
    """Show why a run failed."""

    code: str = Field(description="Code of the error.")
    message: str = Field(description="Its message.")


class RunPoint(OpenObject):
    """Show one run as a point of a line of runs."""

    id: str = Field(description="The run.")
    name: str = Field(description="Its name.")
    model: str = Field(description="The model that it samples; empty if none.")
    status: str = Field(description="Its status.")
    created_at: int = Field(description="When it was created, in Unix seconds.")
    ended_at: int | None = Field(description="When it ended, in Unix seconds. Null until then.")
    items: int = Field(description="Output items so far.")
    items_planned: int | None = Field(description="How many there will be. Null until it is known.")
    passed: int = Field(description="Items whose every criterion passed.")
    failed: int = Field(description="Items for which some criterion failed.")
    errored: int = Field(description="Items without a result; they are part of no rate.")
    rate: ReportRate = Field(
        description="Share of passed among passed and failed. With repeats its interval is that of as many values as "
        "there are items, which is never too narrow."
    )
    partial: bool = Field(description="Whether it has not been through all of its items: its figures are not final.")
    error: RunProblem | None = Field(description="Why it failed. Null unless it did.")


class CriterionName(OpenObject):
    """Name a criterion."""

    name: str = Field(description="Its name.")
    type: str = Field(description="Type of its grader.")


class LastRate(OpenObject):
    """Show the rate of the last completed run."""

    run_id: str = Field(description="The run.")
    rate: ReportRate = Field(description="Share of passed among passed and failed.")


class RateChange(OpenObject):
    """Compare the last completed run with the completed one before it."""

    run_id: str = Field(description="The last completed run.")
    baseline_id: str = Field(description="The completed run before it.")
    paired_by: Literal["content"] | None = Field(
        description="`content` if the same items were compared. Null if the rates were, which shows less: the items "
        "are different ones, more than 20,000, or not prepared yet."
    )
    difference: Difference = Field(description="Rate of the last run less that of the one before.")


class EvalOverview(OpenObject):
    """Show an eval with its last runs."""

    id: str = Field(description="The eval.")
    name: str = Field(description="Its name.")
    data_source: str = Field(description="Type of its data source config.")
    metadata: dict[str, str] = Field(description="Its metadata.")
    created_at: int = Field(description="When it was created, in Unix seconds.")
    updated_at: int = Field(description="When a user last changed it, in Unix seconds.")
    imported: bool = Field(description="Whether it was imported.")
    version: int = Field(description="1, or one more than that of the eval that it follows.")
    follows: str | None = Field(description="The eval of which it is the next version. Null for a first version.")
    criteria: list[CriterionName] = Field(description="Its first 20 criteria.")
    criteria_count: int = Field(description="How many criteria it has.")
    runs: int = Field(description="How many runs it has.")
    last_run: RunPoint | None = Field(description="The run that was created last. Null without any.")
    last_rate: LastRate | None = Field(description="The rate of the last completed one among `recent`. Null if none.")
    change: RateChange | None = Field(description="How the last two completed ones differ. Null if there are no two.")
    recent: list[RunPoint] = Field(description="The last 20 runs, the oldest first.")


class EvalOverviewList(OpenObject):
    """Show a page of evals."""

    object: Literal["list"] = Field(description="Always `list`.")
    data: list[EvalOverview] = Field(description="The evals.")
    has_more: bool = Field(description="Whether another page follows.")
    next: str | None = Field(description="What to send as `after` for the next page. Null on the last one.")


class RunCriterion(CriterionName):
    """Show what the grades of one criterion of a run add up to."""

    passed: int = Field(description="Grades that passed.")
    failed: int = Field(description="Grades that failed.")
    errored: int = Field(description="Grades that erred; they are part of no rate.")
    rate: ReportRate = Field(description="Share of passed among passed and failed.")


class RunTokens(OpenObject):
    """Count the tokens of all calls of a run."""

    prompt: int = Field(description="Tokens sent.")
    completion: int = Field(description="Tokens answered.")
    total: int = Field(description="Both.")


Aspect = Literal["prompt", "parameters", "model", "data", "criteria", "judge"]
"""What can differ between the setups of two runs."""


class RunOverview(RunPoint):
    """Show a run in a list of runs."""

    eval_id: str = Field(description="Its eval.")
    eval_name: str = Field(description="Name of its eval.")
    eval_version: int = Field(description="Version of its eval.")
    metadata: dict[str, str] = Field(description="Its metadata.")
    data_source: str = Field(description="Type of its data source.")
    source: str | None = Field(description="Where its rows stand: type of the source. Null if it does not say.")
    file_id: str | None = Field(description="The file that it reads. Null if it reads none.")
    repeats: int = Field(description="Samples of each item.")
    started_at: int | None = Field(description="When it was taken up, in Unix seconds. Null until then.")
    duration_s: int | None = Field(description="Seconds from then to its end, or until now. Null until it is taken up.")
    times_retried: int = Field(description="How often it was retried.")
    regraded_from: str | None = Field(description="The run whose samples it grades. Null if it has its own.")
    imported: bool = Field(description="Whether it was executed elsewhere and imported.")
    pinned: bool = Field(description="Whether later runs are compared with it.")
    criteria: list[RunCriterion] = Field(description="Each criterion, in order.")
    tokens: RunTokens = Field(description="Tokens of all calls.")
    cost: float | None = Field(description="US dollars of all calls. Null without calls, or if any has no price.")
    cost_target: float | None = Field(description="The same of the calls for samples.")
    cost_judge: float | None = Field(description="The same of the calls for grades.")
    errors: dict[str, int] = Field(description="Errored items by the code of their error.")
    previous_run: str | None = Field(
        description="The run of the eval that was created before it; before the first one, the last run of the evals "
        "that the eval follows. Null without any."
    )
    changed: list[Aspect] = Field(
        description="What differs from the run before: `prompt` (messages, tools, form of the answer), `parameters` of "
        "sampling, `model`, `data` (inline rows are told apart by their length alone), `criteria`, or `judge` (the "
        "models that graded, as their endpoints named them)."
    )


class RunOverviewList(OpenObject):
    """Show a page of runs."""

    object: Literal["list"] = Field(description="Always `list`.")
    data: list[RunOverview] = Field(description="The runs.")
    has_more: bool = Field(description="Whether another page follows.")
    next: str | None = Field(description="What to send as `after` for the next page. Null on the last one.")


class EvalVersion(OpenObject):
    """Show one version of an eval."""

    id: str = Field(description="The eval.")
    name: str = Field(description="Its name.")
    version: int = Field(description="Its number, from 1.")
    follows: str | None = Field(description="The eval of which it is the next version. Null for a first version.")
    created_at: int = Field(description="When it was created, in Unix seconds.")
    runs: int = Field(description="How many runs it has.")
    changes: list[str] | None = Field(
        description="What differs from the eval that it follows, a clause each: its criteria and its item schema are "
        "compared. Null for a first version, and if the other one was deleted."
    )


class EvalFollower(OpenObject):
    """Name an eval that follows another one."""

    id: str = Field(description="The eval.")
    name: str = Field(description="Its name.")
    version: int = Field(description="Its number.")


class EvalVersionList(OpenObject):
    """Show an eval and those that it follows."""

    object: Literal["list"] = Field(description="Always `list`.")
    data: list[EvalVersion] = Field(
        description="The eval first, then the one that it follows, and so on; deleted ones are left out, and so are "
        "those beyond the 200 nearest."
    )
    followers: list[EvalFollower] = Field(
        description="The evals that follow it directly, the newest first, at most 20."
    )
