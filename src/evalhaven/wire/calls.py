"""Calls to models that the gateway passes on, described as far as the server itself reads them."""

from typing import Annotated, Literal

from pydantic import Field

from evalhaven.wire.contract import JsonObject, NonEmptyStr, OpenObject


class CreateChatCompletionRequest(OpenObject):
    """Ask a model for a chat completion. Published schema CreateChatCompletionRequest.

    Everything is passed on untouched; `model` may be an alias of the catalogue. `metadata` is what a stored completion
    is selected by.
    """

    model: NonEmptyStr
    messages: Annotated[list[JsonObject], Field(min_length=1)]
    metadata: JsonObject | None = None
    store: bool | None = False
    stream: bool | None = False


class CreateResponse(OpenObject):
    """Ask a model for a response. Published schema CreateResponse.

    Everything is passed on untouched, except that a `previous_response_id` is replaced by the conversation it names.
    """

    model: NonEmptyStr
    input: str | list[JsonObject] | None = None
    instructions: str | None = None
    metadata: JsonObject | None = None
    previous_response_id: str | None = None
    store: bool | None = True
    stream: bool | None = False


class CreateEmbeddingRequest(OpenObject):
    """Ask a model for embeddings. Published schema CreateEmbeddingRequest."""

    model: NonEmptyStr
    input: str | list[str] | list[int] | list[list[int]]


class Embedding(OpenObject):
    """Show one embedding; in base64 if that was asked for. Published schema Embedding."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class CreateEmbeddingResponse(OpenObject):
    """Show embeddings as their endpoint answered them. Published schema CreateEmbeddingResponse."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: JsonObject
