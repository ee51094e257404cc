"""What a server tells of its logged calls below `/api/`."""

from typing import Annotated, Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject, WireModel


class StoredDay(OpenObject):
    """Show how many calls of a day are stored."""

    day: str = Field(description="The day, such as `2026-11-28` in UTC.")
    calls: int = Field(description="How many of this project; an estimate where counting would take long.")
    all_calls: int | None = Field(
        default=None, description="How many of all projects, likewise; null unless the caller operates the server."
    )
    size_bytes: int | None = Field(
        description="What those of all projects take on the disk; null unless the caller operates the server."
    )
    dropped_on: str = Field(
        description="The day on which its calls of this project are dropped, from an hour after its beginning in UTC "
        "on; earlier if calls take more than they may. Of a day without any, when all of it is dropped."
    )


class StoredCalls(OpenObject):
    """Show how many calls are stored."""

    calls: int = Field(description="How many of this project; an estimate where counting would take long.")
    all_calls: int | None = Field(
        default=None, description="How many of all projects, likewise; null unless the caller operates the server."
    )
    size_bytes: int | None = Field(
        description="What those of all projects take on the disk; null unless the caller operates the server."
    )
    oldest_day: str | None = Field(
        description="The day of the oldest of this project, such as `2026-11-28` in UTC; null if there is none."
    )
    days: list[StoredDay] = Field(
        default=[],
        description="The days that have calls of this project, for whoever operates the server those of all projects, "
        "newest first.",
    )


class LostCalls(OpenObject):
    """Show how many calls were to be stored and are not, since the data directories were made."""

    overflow: int = Field(description="Those that found the queue full.")
    killed: int = Field(description="Those that were under way when a server ended.")
    unreadable: int = Field(description="Those whose reply is not complete, or not what its API says.")
    failed: int = Field(description="Those that the store refused.")


class CallRetention(OpenObject):
    """Show how long calls are kept."""

    days: int = Field(description="For how many days those of this project are.")
    max_gb: float | None = Field(description="How much they may take; null if their age alone decides.")


class SetRetentionRequest(WireModel):
    """Say for how many days the calls of a project are kept."""

    days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        description="For how many days, at most as many as the server keeps any; null: as many as that. What is older "
        "is dropped within an hour, and cannot be restored."
    )


class ProjectRetention(OpenObject):
    """Show for how many days the calls of a project are kept."""

    object: Literal["project.retention"]
    project: str = Field(description="Id of the project.")
    days: int | None = Field(
        description="For how many days the project wants them kept; null: for as long as the server keeps any."
    )
    kept_days: int = Field(description="For how many days they are kept: no longer than the server keeps any.")
    most_days: int = Field(description="For how many days the server keeps calls (`EVALHAVEN_LOG_DAYS`).")
    max_gb: float | None = Field(
        description="How much the calls of all projects may take; null if their age alone decides."
    )


class LogStatus(OpenObject):
    """Show what became of the calls that were to be stored, by all servers that share the database.

    What is not about one project is told to whoever operates the server.
    """

    stored: StoredCalls | None = Field(description="What is stored; null if the store does not answer.")
    pending: int | None = Field(description="Calls that wait to be stored; null unless the caller operates the server.")
    in_question: int | None = Field(
        description="Calls that were under way when an earlier server ended. They are looked for in the store as "
        "soon as it answers. Null unless the caller operates the server."
    )
    lost: LostCalls | None = Field(
        description="Calls that are not stored, by reason; null unless the caller operates the server."
    )
    recorder: str | None = Field(
        description="State of the process that stores this server's calls, `ok` if it is at work; null if there are "
        "none to store."
    )
    problem: str | None = Field(
        description="What keeps calls from being stored, here or at another server; null if nothing does. "
        "Details are told to whoever operates the server."
    )
    servers: int | None = Field(
        default=1,
        description="How many servers share the database now, and make up these numbers; null unless the caller "
        "operates the server.",
    )
    retention: CallRetention = Field(description="How long calls are kept.")


class CallRefusal(OpenObject):
    """Tell why a call was not stored."""

    line: int = Field(description="Number of its line, from 1 on.")
    reason: str = Field(description="What is wrong with it.")
    too_old: bool = Field(default=False, description="Whether it is only older than calls are kept here.")


class CallIntakeOutcome(OpenObject):
    """Show what came of calls that were sent to be stored. In a check it is what would come of them."""

    stored: int = Field(description="Calls that are stored now.")
    known: int = Field(description="Calls that were stored already. They stay as they are.")
    refused: int = Field(description="Calls that cannot be stored.")
    refusals: list[CallRefusal] = Field(description="The first 100 of these.")
    too_old: int = Field(
        default=0,
        description="How many of the refused calls are only older than calls are kept here, or in this project.",
    )
    days_needed: int | None = Field(
        default=None,
        description="The value of `EVALHAVEN_LOG_DAYS` with which they would all be kept today; null if it is high "
        "enough.",
    )
    project_days_needed: int | None = Field(
        default=None,
        description="For how many days the project would have to keep its calls so that they would all be kept today; "
        "null if it keeps them for as long.",
    )
