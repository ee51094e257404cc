"""The gateway's operations in the document of the contract; bare ASGI routes do not describe themselves."""

from typing import Any

from pydantic import BaseModel

from evalhaven.wire.calls import (
    CreateChatCompletionRequest,
    CreateEmbeddingRequest,
    CreateEmbeddingResponse,
    CreateResponse,
)
from evalhaven.wire.responses import Response
from evalhaven.wire.stored_completions import CreateChatCompletionResponse

CALL_BODIES: dict[str, type[BaseModel]] = {
    "createChatCompletion": CreateChatCompletionRequest,
    "createResponse": CreateResponse,
    "createEmbedding": CreateEmbeddingRequest,
}
CALL_ANSWERS: tuple[type[BaseModel], ...] = (CreateChatCompletionResponse, Response, CreateEmbeddingResponse)
_NOT_SERVED = "No endpoint serves the model, or the endpoint itself says that there is no such thing."


def call_paths(ref: str) -> dict[str, dict[str, Any]]:
    """Return the operations by path, without their bodies.

    Args:
        ref: The form of a reference to a model's schema.
    """
    return {
        "/v1/chat/completions": _operation(
            "createChatCompletion", "Chat", "Ask a model for a chat completion.", CreateChatCompletionResponse, ref
        ),
        "/v1/responses": _operation("createResponse", "Responses", "Ask a model for a response.", Response, ref),
        "/v1/embeddings": _operation(
            "createEmbedding", "Embeddings", "Ask a model for embeddings.", CreateEmbeddingResponse, ref, streams=False
        ),
    }


def _operation(
    operation_id: str, tag: str, summary: str, answer: type[BaseModel], ref: str, *, streams: bool = True
) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": ref.format(model=answer.__name__)}}}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        "tags": [tag],
        "summary": summary,
        "description": f"{summary} The call is passed on to the endpoint that serves the model, and so is its answer.",
        "operationId": operation_id,
        "responses": {
            "200": {"description": "The endpoint's answer.", "content": content},
            "404": {"description": _NOT_SERVED},
        },
    }
