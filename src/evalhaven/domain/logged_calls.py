"""Logged calls: requests to models with their replies, which runs can grade and replay."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.scopes import ProjectScope


class CallKind(StrEnum):
    """Which API a call was made with; the value is the `object` of its reply."""

    CHAT = "chat.completion"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """A request to a model with its complete reply.

    Attributes:
        scope: The project that made it.
        id: Its public id, `chatcmpl-…` or `resp_…`, as the reply has it.
        kind: Which API it was made with.
        created_at: Unix second.
        asked_model: The model that the request names.
        model: The model that the reply names.
        request: JSON text of the request's body; a stream's flag and all other parameters included.
        reply: JSON text of the reply as one object, even if it was streamed.
        metadata: What lists and runs select calls by: strings where a request brought it, any JSON where an import did.
        origin: What makes the call unique in its project, so that it is stored once however often it is sent.
        first_byte_ms: Time to the first byte of the reply; None if it is unknown.
        latency_ms: Time to its last byte; None if it is unknown.
    """

    scope: ProjectScope
    id: str
    kind: CallKind
    created_at: int
    asked_model: str
    model: str
    request: str = field(repr=False)
    reply: str = field(repr=False)
    metadata: JsonObject
    origin: str
    first_byte_ms: int | None = None
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which logged calls are wanted: those for which everything that is given holds.

    Attributes:
        kind: Which API they were made with.
        metadata: Keys that they carry, with these values; values are compared as JSON.
        model: The model, as asked for or as the reply names it.
        created_after: Unix second of the oldest, inclusive.
        created_before: Unix second of the newest, inclusive.
        instructions_search: Words that their instructions (system or developer messages) contain.
        reasoning_effort: The effort that was asked for.
        temperature: The temperature that was asked for.
        top_p: The value that was asked for.
        users: The end user is one of these.
        tools: At least one of these tools was offered: names of functions, or types of other tools.
        text: Words that the request or the reply contains.
    """

    kind: CallKind | None = None
    metadata: JsonObject = field(default_factory=dict[str, JsonValue])
    model: str | None = None
    created_after: int | None = None
    created_before: int | None = None
    instructions_search: str | None = None
    reasoning_effort: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    users: Sequence[str] | None = None
    tools: Sequence[str] | None = None
    text: str | None = None
