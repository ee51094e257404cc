"""What a project may use, below `/api/`."""

from typing import Annotated, Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject, WireModel

_MOST = 1_000_000_000

RequestsPerMinute = Annotated[int, Field(ge=1, le=_MOST)]


class SetLimitsRequest(WireModel):
    """Say what a project may use. A key that is left out keeps its limit, null removes it."""

    requests_per_minute: RequestsPerMinute | None = Field(
        default=None, description="Most requests of all its keys in a minute, to all servers together."
    )
    concurrent_runs: Annotated[int, Field(ge=1, le=_MOST)] | None = Field(
        default=None, description="Most runs that are queued or under way."
    )
    stored_bytes: Annotated[int, Field(ge=0, le=2**53)] | None = Field(
        default=None, description="Most bytes of its files, parts of uploads and inline rows."
    )
    run_cost: Annotated[float, Field(gt=0, le=_MOST, allow_inf_nan=False)] | None = Field(
        default=None, description="Most US dollars of the calls of one run."
    )
    month_cost: Annotated[float, Field(gt=0, le=_MOST, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Most US dollars of the calls of all runs and graders together in one calendar month, in UTC.",
    )


class ProjectUsage(OpenObject):
    """Show what of its limits a project uses."""

    concurrent_runs: int = Field(description="Runs that are queued or under way.")
    stored_bytes: int = Field(description="Bytes of its files, parts of uploads and inline rows.")
    month_cost: float = Field(
        description="US dollars of the calls of runs and graders that were stored in this month, those of deleted runs "
        "included. Calls without a price, and those through the gateway, are not in it."
    )


class ProjectLimits(OpenObject):
    """Show what a project may use, null meaning no limit, and what it uses."""

    object: Literal["project.limits"]
    project: str = Field(description="Id of the project.")
    requests_per_minute: int | None = Field(
        description="Requests of all its keys in a minute, to all servers together."
    )
    concurrent_runs: int | None = Field(description="Runs that are queued or under way.")
    stored_bytes: int | None = Field(description="Bytes of its files, parts of uploads and inline rows.")
    run_cost: float | None = Field(description="US dollars of the calls of one run.")
    month_cost: float | None = Field(
        description="US dollars of the calls of all runs and graders in one calendar month, in UTC."
    )
    used: ProjectUsage = Field(description="What it uses now.")
