"""Workers and what waits for them, below `/api/`."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject
from evalhaven.wire.server import PartFinding

WaitsFor = Literal["worker", "newer_worker", "turn"]
"""Why nothing of a run is executed: no worker is there, none that knows what the run uses, or others come first."""


class WorkOfRun(OpenObject):
    """Show what a worker executes of one run."""

    run_id: str = Field(description="The run.")
    eval_id: str = Field(description="Its eval.")
    run_name: str = Field(description="Its name.")
    plans: bool = Field(description="Whether the worker checks the rows of the run and cuts it into chunks.")
    chunks: int = Field(description="Chunks under way.")
    rows: int = Field(description="Rows of these chunks, those whose items are stored already included.")


class WorkerOverview(OpenObject):
    """Show a worker."""

    name: str = Field(description="Host and process.")
    host: str = Field(description="The machine.")
    process: int = Field(description="The number of its process.")
    release: str = Field(description="Its release of Evalhaven.")
    state: Literal["live", "silent"] = Field(
        description="`silent` if it has not been heard for a lease: what it executed goes to the others."
    )
    started_at: int = Field(description="Since when it takes part, in Unix seconds.")
    silent_s: float = Field(description="How long ago it was heard for the last time, in seconds.")
    runs: list[WorkOfRun] | None = Field(
        description="What it executes, by run. Null with SQLite, where only the worker itself knows."
    )


class RunQueue(OpenObject):
    """Show how much of a run under way waits."""

    run_id: str = Field(description="The run.")
    eval_id: str = Field(description="Its eval.")
    run_name: str = Field(description="Its name.")
    status: Literal["queued", "in_progress"] = Field(description="Its status.")
    chunks: int | None = Field(description="How many chunks it has. Null until it is planned.")
    chunks_done: int = Field(description="Chunks of which every item is stored.")
    chunks_under_way: int | None = Field(description="Chunks that workers execute now. Null with SQLite.")
    waiting_s: float | None = Field(
        description="How long its oldest part has waited for a worker, in seconds. Null if none waits, and with SQLite."
    )
    waits_for: WaitsFor | None = Field(
        description="Why nothing of it is executed now: `worker` if none is there, `newer_worker` if those that are "
        "there are of an older release and do not know what the run uses, `turn` if others come first. Null if it "
        "goes on."
    )


class LimitPart(OpenObject):
    """Show what one worker has of a limit."""

    worker: str = Field(description="Name of the worker.")
    slots: int = Field(description="How many calls it may have under way.")
    wanted: int = Field(description="How many it would have.")


class SharedLimit(OpenObject):
    """Show a limit that workers share."""

    name: str = Field(description="What is limited, such as a model at an endpoint.")
    run_id: str | None = Field(description="The run, if the limit is that of one run.")
    parts: list[LimitPart] = Field(description="What each worker has of it.")


class WorkerOverviewList(OpenObject):
    """List the workers, the runs that wait for them, and the limits that they share."""

    object: Literal["list"]
    data: list[WorkerOverview] = Field(description="The workers, the oldest first.")
    shared: bool = Field(
        description="Whether any number of workers share runs, as they do on PostgreSQL. With SQLite the server's own "
        "executor is the only one."
    )
    release: str = Field(description="The release of the server.")
    lease_s: float = Field(description="After how many seconds of silence a worker counts as dead.")
    runs: list[RunQueue] = Field(description="The first 100 runs under way, the oldest first.")
    limits: list[SharedLimit] = Field(
        description="The limits of these runs that are in use; for whoever operates the server those of models, too."
    )
    findings: list[PartFinding] = Field(description="What is to be known of all this, in sentences.")
