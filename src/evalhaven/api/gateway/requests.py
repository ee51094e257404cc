"""What the gateway reads of a request, and what it may change in one."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError, not_json
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject
from evalhaven.domain.logged_calls import CallKind

LogCalls = Literal["asked", "all", "none"]

# As in `jsontext`: what msgspec refuses, the standard library may accept.
_REFUSALS = (msgspec.DecodeError, RecursionError, UnicodeError)


class RequestFields(msgspec.Struct):
    """The parts of a request that decide about its way; everything else is skipped, not read."""

    model: Any = None
    store: Any = None
    background: Any = None
    conversation: Any = None
    previous_response_id: Any = None


_FIELDS = msgspec.json.Decoder(RequestFields)
_NAMES = RequestFields.__struct_fields__


@dataclass(frozen=True, slots=True)
class AskedModel:
    """The parts of a request that was found acceptable.

    Attributes:
        model: The model, as the client names it.
        store: Whether the call is to be kept; None if the request does not say.
        previous_response_id: The response that is continued; None for none.
    """

    model: str
    store: bool | None
    previous_response_id: str | None


def read_fields(body: bytes, kind: CallKind | None) -> AskedModel:
    """Return what a request says about its way.

    Args:
        body: The request's body.
        kind: Chat completion or response; None for embeddings.

    Raises:
        InvalidRequestError: The body is no JSON object, names no model, or asks for what is not done here.
    """
    fields = _read(body)
    model = fields.model
    if not isinstance(model, str) or not model:
        raise InvalidRequestError(
            "The request has to name its model: `model` must be a string that is not empty. GET /v1/models lists what "
            "is served here.",
            param="model",
            code="missing_required_parameter" if model is None else "invalid_value",
        )
    store = fields.store if isinstance(fields.store, bool) else None
    if kind is not CallKind.RESPONSE:
        return AskedModel(model, store, None)
    if fields.background:
        raise InvalidRequestError(
            "Responses are not made in the background here: leave out `background`, and wait for the answer or stream "
            "it.",
            param="background",
            code="unsupported_parameter",
        )
    if fields.conversation is not None:
        raise InvalidRequestError(
            "Conversations are not kept here: leave out `conversation`, and continue a response by "
            "`previous_response_id`, or send the whole conversation in `input`.",
            param="conversation",
            code="unsupported_parameter",
        )
    previous = fields.previous_response_id
    if previous is not None and not isinstance(previous, str):
        raise InvalidRequestError(
            "`previous_response_id` must be the id of a response.", param="previous_response_id", code="invalid_value"
        )
    return AskedModel(model, store, previous or None)


def wants_keeping(kind: CallKind | None, store: bool | None, log_calls: LogCalls) -> bool:
    """Tell whether a call is to be kept.

    Args:
        kind: Chat completion or response; None for embeddings, which are never kept.
        store: What the request says.
        log_calls: What the operator wants.
    """
    if kind is None or log_calls == "none":
        return False
    if log_calls == "all":
        return True
    return store is True or (kind is CallKind.RESPONSE and store is None)


def with_model(body: bytes, model: str) -> bytes:
    """Return a body with another model in it, and every other byte as it was."""
    start, end = jsontext.members(body, (0, len(body)), "model")["model"]
    return b"".join((body[:start], jsontext.render(model).encode(), body[end:]))


def parse_object(body: bytes) -> JsonObject:
    """Return the JSON object of a body.

    Raises:
        InvalidRequestError: The body is no JSON object.
    """
    try:
        value = jsontext.parse_received(body)
    except InvalidJsonError as error:
        raise not_json(error) from error
    if not isinstance(value, dict):
        raise _no_object()
    return value


def _read(body: bytes) -> RequestFields:
    try:
        return _FIELDS.decode(body)
    except _REFUSALS:
        document = parse_object(body)
        return RequestFields(**{name: document[name] for name in _NAMES if name in document})


def _no_object() -> InvalidRequestError:
    return InvalidRequestError("The request body must be a JSON object.", code="invalid_json")
