"""What a server has at hand: endpoints of models, files, and logged calls, as lists show them."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import JsonObject, OpenObject
from evalhaven.wire.server import MASK


class EndpointLimits(OpenObject):
    """Show the limits of an endpoint, for each of its models."""

    max_concurrency: int = Field(description="Most requests under way at once.")
    start_concurrency: int = Field(description="Most requests under way at once in the beginning.")
    requests_per_minute: int | None = Field(description="Most requests begun within a minute. Null for no limit.")
    tokens_per_minute: int | None = Field(description="Most tokens asked for within a minute. Null for no limit.")
    timeout_s: float = Field(description="Seconds that one attempt may take.")
    retry_for_s: float = Field(description="Seconds after which a failing call is not tried again.")


class EndpointPrice(OpenObject):
    """Show what tokens cost, in US dollars per million."""

    model: str = Field(description="Pattern of the models that it applies to; the first that matches counts.")
    input: float = Field(description="Of the request.")
    cached_input: float | None = Field(description="Of the part of it that the endpoint had cached. Null: the same.")
    output: float = Field(description="Of the answer.")


class EndpointSeen(OpenObject):
    """Show how the calls of a recent run to an endpoint went when its items were last stored."""

    run_id: str = Field(description="The run.")
    run_name: str = Field(description="Its name.")
    eval_id: str = Field(description="Its eval.")
    role: Literal["target", "judge", "embeddings"] = Field(description="What it called the endpoint for.")
    model: str | None = Field(description="The model that the run samples. Null for judges and embeddings.")
    criterion: str | None = Field(description="The criterion that asked. Null unless a judge did.")
    at: int = Field(description="When that was, in Unix seconds: now, if the run goes on.")
    reachable: bool = Field(description="Whether the endpoint could be reached.")
    unreachable: JsonObject | None = Field(description="Why not (`reason`), and `since` when. Null if it could.")
    limiter: JsonObject = Field(description="The state of the calls, as `evalhaven.limiter` of a run has it.")


class EndpointOverview(OpenObject):
    """Show an endpoint of models. Nothing is asked of it: `POST /api/examination` does that."""

    name: str = Field(description="Its name in the configuration.")
    base_url: str = Field(description="Where it is; empty for one that answers by rules, and for a command.")
    scripted: bool = Field(description="Whether it answers by rules instead of a network.")
    program: str | None = Field(description="The program that is started for each call. Null unless it is a command.")
    api_key: str | None = Field(description=f"`{MASK}` if a key is sent with each call. Null if none is configured.")
    protocols: list[str] = Field(description="What it understands: `chat`, `responses`; `item` for an application.")
    models: list[str] = Field(description="Patterns of the names that it serves.")
    aliases: dict[str, str] = Field(description="Names that users may write, and the name sent instead.")
    limits: EndpointLimits = Field(description="Its limits.")
    prices: list[EndpointPrice] = Field(description="What its tokens cost.")
    seen: list[EndpointSeen] = Field(description="How calls of the last hundred runs went: the newest 5.")


class EndpointOverviewList(OpenObject):
    """Show all endpoints of models."""

    object: Literal["list"] = Field(description="Always `list`.")
    source: str = Field(description="Where they are configured; empty if nothing is.")
    notes: list[str] = Field(description="What the operator should know about them.")
    data: list[EndpointOverview] = Field(description="The endpoints, in the order of the configuration.")


class FileReader(OpenObject):
    """Name a run that reads a file."""

    run_id: str = Field(description="The run.")
    run_name: str = Field(description="Its name.")
    eval_id: str = Field(description="Its eval.")
    eval_name: str = Field(description="Name of its eval.")
    status: str = Field(description="Its status.")
    created_at: int = Field(description="When it was created, in Unix seconds.")


class FileOverview(OpenObject):
    """Show an uploaded file, and what reads it."""

    id: str = Field(description="The file.")
    filename: str = Field(description="Its name.")
    purpose: str = Field(description="Its purpose.")
    size_bytes: int = Field(description="Its length.")
    created_at: int = Field(description="When it was uploaded, in Unix seconds.")
    expires_at: int | None = Field(description="When it expires, in Unix seconds. Null if it does not.")
    imported: bool = Field(description="Whether it was imported.")
    rows: int | None = Field(description="How many rows the newest run that counted them found. Null if none has.")
    runs: int = Field(description="How many runs read it.")
    used_by: list[FileReader] = Field(description="The newest 5 of them.")


class FileOverviewList(OpenObject):
    """Show a page of files."""

    object: Literal["list"] = Field(description="Always `list`.")
    data: list[FileOverview] = Field(description="The files, the newest first.")
    has_more: bool = Field(description="Whether another page follows.")
    next: str | None = Field(description="What to send as `after` for the next page. Null on the last one.")


class LoggedCallRow(OpenObject):
    """Show a logged call at a glance. Texts are previews; those that were cut end with an ellipsis."""

    id: str = Field(description="The call.")
    kind: Literal["chat", "responses"] = Field(description="Which API it was made with.")
    created_at: int = Field(description="When it was made, in Unix seconds.")
    asked_model: str = Field(description="The model that the request names.")
    model: str = Field(description="The model that the reply names.")
    metadata: JsonObject = Field(description="Its metadata.")
    input: str | None = Field(description="What was asked last. Null if that is no text.")
    output: str | None = Field(description="What was answered. Null if that is no text.")
    finish_reason: str | None = Field(description="Why the answer ended. Null if it is not known.")
    prompt_tokens: int | None = Field(description="Tokens sent. Null if they are not known.")
    completion_tokens: int | None = Field(description="Tokens answered. Null if they are not known.")
    latency_ms: int | None = Field(description="Milliseconds to the last byte. Null if they are not known.")
    first_byte_ms: int | None = Field(description="Milliseconds to the first byte. Null if they are not known.")


class LoggedCallList(OpenObject):
    """Show a page of logged calls."""

    object: Literal["list"] = Field(description="Always `list`.")
    data: list[LoggedCallRow] = Field(description="The calls.")
    has_more: bool = Field(description="Whether another page follows.")
    next: str | None = Field(description="What to send as `after` for the next page. Null on the last one.")


class LoggedCallDetail(LoggedCallRow):
    """Show a logged call whole."""

    request: JsonObject = Field(description="The body of the request.")
    reply: JsonObject = Field(description="The reply as one object, even if it was streamed.")
    pending: bool = Field(description="Whether it is still on its way to the store.")
