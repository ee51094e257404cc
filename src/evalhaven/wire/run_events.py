"""The events of runs under way."""

from pydantic import Field

from evalhaven.wire.contract import JsonObject, OpenObject
from evalhaven.wire.extension import RunBudget
from evalhaven.wire.overviews import RunCriterion, RunProblem, RunTokens
from evalhaven.wire.reports import ReportRate


class RunProgress(OpenObject):
    """Show how a run goes on: the data of each event, one line of JSON."""

    run_id: str = Field(description="The run.")
    status: str = Field(description="Its status, or `deleted`.")
    items: int = Field(description="Output items so far.")
    items_planned: int | None = Field(description="How many there will be. Null until it is known.")
    passed: int = Field(description="Items whose every criterion passed.")
    failed: int = Field(description="Items for which some criterion failed.")
    errored: int = Field(description="Items without a result; they are part of no rate.")
    partial: bool = Field(description="Whether it has not been through all of its items: its figures are not final.")
    rate: ReportRate = Field(description="Share of passed among passed and failed.")
    criteria: list[RunCriterion] = Field(description="Each criterion, in order.")
    started_at: int | None = Field(description="When it was taken up, in Unix seconds. Null until then.")
    ended_at: int | None = Field(description="When it ended, in Unix seconds. Null until then.")
    elapsed_s: float | None = Field(description="Seconds from then to its end, or until now. Null before.")
    items_per_s: float | None = Field(description="Items a second, lately. Null where nothing is known.")
    seconds_left: float | None = Field(description="Seconds to its end at this pace. Null where nothing is known.")
    tokens: RunTokens = Field(description="Tokens of all calls.")
    cost: float | None = Field(description="US dollars of all calls. Null without calls, or if any has no price.")
    budget: RunBudget | None = Field(description="What it may spend. Null for no limit.")
    errors: dict[str, int] = Field(description="Errored items by the code of their error.")
    limiter: JsonObject | None = Field(
        description="The state of its calls to models, as `evalhaven.limiter` of the run. Null if it makes none."
    )
    error: RunProblem | None = Field(description="Why it failed. Null unless it did.")
