"""What happened to a run, on the wire."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject


class RunLifeEvent(OpenObject):
    """Tell something that happened to a run."""

    type: Literal[
        "created",
        "imported",
        "started",
        "planned",
        "resumed",
        "unreachable",
        "reachable",
        "paused",
        "retried",
        "completed",
        "failed",
        "canceled",
    ] = Field(
        description="What happened: `planned`, all rows were checked; `resumed`, another process went on with it; "
        "`unreachable` and `reachable`, an endpoint was lost and found again; `paused`, an endpoint asked to wait; "
        "`retried`, somebody asked for what has no result once more."
    )
    at: int = Field(description="When, in Unix seconds.")
    items: int | None = Field(
        default=None,
        description="Of `planned`: how many output items there will be. Of `retried`: how many were to be executed, "
        "unless some were chosen.",
    )
    endpoint: str | None = Field(default=None, description="The endpoint that was lost, found, or asked to wait.")
    until: float | None = Field(default=None, description="Of `paused`: until when at least, in Unix seconds.")
    died: bool | None = Field(
        default=None,
        description="Of `resumed`: whether the process before is known to have died. Else it was stopped, or died "
        "before the first item.",
    )
    code: str | None = Field(default=None, description="Of `failed`: code of the error.")
    reason: str | None = Field(default=None, description="Why an endpoint was lost or the run failed.")


class RunEventList(OpenObject):
    """Show what happened to a run."""

    object: Literal["list"] = Field(description="Always `list`.")
    data: list[RunLifeEvent] = Field(
        description="What happened, in order. Of lost endpoints and pauses the first 500 are kept."
    )
    has_more: bool = Field(description="Always false.")
