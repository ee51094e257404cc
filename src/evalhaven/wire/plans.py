"""The plan of an eval: how many items show a difference, a regression or a threshold."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject


class PlanHistory(OpenObject):
    """Tell what the earlier runs of an eval say about the next one."""

    runs: list[str] = Field(description="The last completed runs that were compared, the newest first.")
    pairs: int = Field(description="Pairs of items compared, over all of these runs.")
    items: int = Field(description="Items of the newest of them; 0 without any.")
    rate: float | None = Field(description="Share of items that passed in the newest. Null if none has a result.")
    spread: float = Field(
        description="Share of items that change between two runs, or the variance of an item's difference."
    )
    is_assumed: bool = Field(description="Whether the spread is not measured but 0.1, for want of two such runs.")
    within: float | None = Field(description="Variance of one item's samples. Null if no item has two samples.")


class PlannedItems(OpenObject):
    """Say how many items are needed if each is sampled so many times."""

    repeats: int = Field(description="Samples of each item.")
    spread: float = Field(description="Variance of an item's difference with so many samples.")
    difference: int | None = Field(description="Items that show the difference. Null if none was asked for.")
    margin: int | None = Field(
        description="Items that show that nothing is worse by more than the margin, if nothing has changed. Null if no "
        "margin was asked for, or it is 0, which no number of items shows."
    )
    threshold: int | None = Field(
        description="Items that show on which side of the threshold the rate is. Null if no threshold was asked for, "
        "or no number of items shows it."
    )
    visible: float | None = Field(
        description="Smallest difference that as many items as the newest run has would show. Null if none."
    )


class EvalPlan(OpenObject):
    """Say how many items a question about an eval needs."""

    object: Literal["eval.plan"] = Field(description="Always `eval.plan`.")
    eval_id: str = Field(description="The eval.")
    sentence: str = Field(description="What it comes to, in plain words.")
    power: float = Field(description="How likely so many items show it.")
    history: PlanHistory = Field(description="What was taken from earlier runs.")
    plans: list[PlannedItems] = Field(description="One for each number of samples.")
    notes: list[str] = Field(description="What the figures rest on, and what they cannot tell.")
