"""Stored responses: the object, its input items and its deletion."""

from typing import Literal

from evalhaven.wire.contract import JsonArray, JsonObject, OpenObject, WireModel
from evalhaven.wire.logged_calls import LoggedCallExtension

ResponseInclude = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
"""What a request may ask to be included. Published schema IncludeEnum."""


class Response(OpenObject):
    """Show a response as its endpoint answered it. Published schema Response.

    A stored one has the parameters of its request if the endpoint did not repeat them.
    """

    id: str
    object: Literal["response"]
    created_at: float
    status: str | None = None
    error: JsonObject | None = None
    incomplete_details: JsonObject | None = None
    instructions: str | JsonArray | None = None
    model: str
    output: list[JsonObject]
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    metadata: JsonObject | None = None
    temperature: float | None = None
    top_p: float | None = None
    tool_choice: str | JsonObject | None = None
    tools: list[JsonObject] | None = None
    usage: JsonObject | None = None
    evalhaven: LoggedCallExtension | None = None


class ResponseDeleted(WireModel):
    """Confirm that a response is deleted."""

    id: str
    object: Literal["response"]
    deleted: bool


class ResponseInputItem(OpenObject):
    """Show an item of a response's input."""

    id: str
    type: str


class ResponseItemList(WireModel):
    """Show a page of input items; both ids are null on an empty page. Published schema ResponseItemList."""

    object: Literal["list"]
    data: list[ResponseInputItem]
    first_id: str | None
    last_id: str | None
    has_more: bool
