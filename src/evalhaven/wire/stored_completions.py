"""Stored chat completions: the object, its lists, its messages, its update and its deletion."""

from typing import Literal

from evalhaven.wire.contract import JsonObject, OpenObject, UnixTime, WireModel
from evalhaven.wire.logged_calls import LoggedCallExtension
from evalhaven.wire.metadata import Metadata


class UpdateChatCompletionRequest(WireModel):
    """Replace the metadata of a stored chat completion; null clears it.

    Published as the body of updateChatCompletion.
    """

    metadata: Metadata


class CreateChatCompletionResponse(OpenObject):
    """Show a chat completion as its endpoint answered it. Published schema CreateChatCompletionResponse.

    A stored one also shows parameters of its request, and its `metadata`, which an import may have brought in any form.
    """

    id: str
    object: Literal["chat.completion"]
    created: UnixTime
    model: str
    choices: list[JsonObject]
    usage: JsonObject | None = None
    metadata: JsonObject | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    evalhaven: LoggedCallExtension | None = None


class ChatCompletionList(WireModel):
    """Show a page of stored chat completions; both ids are null on an empty page.

    Published schema ChatCompletionList.
    """

    object: Literal["list"]
    data: list[CreateChatCompletionResponse]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ChatCompletionStoreMessage(OpenObject):
    """Show a message that a stored chat completion was asked with.

    `content` is its text, and `content_parts` its parts if it was sent as parts.
    """

    id: str
    role: str
    content: str | None
    refusal: str | None
    name: str | None = None
    content_parts: list[JsonObject] | None = None
    tool_calls: list[JsonObject] | None = None


class ChatCompletionMessageList(WireModel):
    """Show a page of messages; both ids are null on an empty page. Published schema ChatCompletionMessageList."""

    object: Literal["list"]
    data: list[ChatCompletionStoreMessage]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ChatCompletionDeleted(WireModel):
    """Confirm that a stored chat completion is deleted. Published schema ChatCompletionDeleted."""

    object: Literal["chat.completion.deleted"]
    id: str
    deleted: bool
