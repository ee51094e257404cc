"""OpenTelemetry's spans in JSON: ids are hexadecimal there, and large integers are strings."""

from collections.abc import Iterator
from typing import cast

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.logs.ingest.spans import FAILED, Span, unreadable

_SCALARS = ("stringValue", "boolValue", "doubleValue", "bytesValue")
_MOST_DIGITS = 20  # of 64 bits; int() refuses very long ones
_FAILED_CODES = (FAILED, "STATUS_CODE_ERROR")


def read_spans(raw: bytes) -> Iterator[Span]:
    """Yield the spans of a body.

    Raises:
        InvalidRequestError: It is no export of spans.
    """
    try:
        body = jsontext.parse_received(raw)
    except InvalidJsonError as error:
        raise unreadable(f"it is not JSON: {error}") from error
    for group in _objects(_object(body, "the body"), "resourceSpans"):
        resource = _attributes(_object(group.get("resource") or {}, "'resource'"))
        for scoped in _objects(group, "scopeSpans"):
            for span in _objects(scoped, "spans"):
                yield _span(span, resource)


def answer(rejected: int, message: str) -> bytes:
    """Return the answer to an export."""
    partial = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}}
    return jsontext.render(partial if message else {}).encode()


def _span(span: JsonObject, resource: JsonObject) -> Span:
    status = _object(span.get("status") or {}, "'status'")
    return Span(
        trace_id=_text(span, "traceId").lower(),
        span_id=_text(span, "spanId").lower(),
        started_ns=_integer(span.get("startTimeUnixNano", 0)),
        ended_ns=_integer(span.get("endTimeUnixNano", 0)),
        attributes=_attributes(span),
        resource=resource,
        events=[(_text(event, "name"), _attributes(event)) for event in _objects(span, "events")],
        is_failed=status.get("code") in _FAILED_CODES,
    )


def _attributes(holder: JsonObject) -> JsonObject:
    return {_text(pair, "key"): _value(pair.get("value")) for pair in _objects(holder, "attributes")}


def _value(value: JsonValue) -> JsonValue:
    if value is None:
        return None
    found = _object(value, "a value")
    for name in _SCALARS:
        if name in found:
            return found[name]
    if "intValue" in found:
        return _integer(found["intValue"])
    if "arrayValue" in found:
        return [_value(each) for each in _list(_object(found["arrayValue"], "'arrayValue'"), "values")]
    if "kvlistValue" in found:
        pairs = _objects(_object(found["kvlistValue"], "'kvlistValue'"), "values")
        return {_text(pair, "key"): _value(pair.get("value")) for pair in pairs}
    return None


def _objects(holder: JsonObject, name: str) -> list[JsonObject]:
    return [_object(each, f"an element of '{name}'") for each in _list(holder, name)]


def _list(holder: JsonObject, name: str) -> list[JsonValue]:
    value = holder.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise unreadable(f"'{name}' is not an array")
    return value


def _object(value: JsonValue, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise unreadable(f"{what} is not an object")
    return cast("JsonObject", value)


def _text(holder: JsonObject, name: str) -> str:
    value = holder.get(name, "")
    if not isinstance(value, str):
        raise unreadable(f"'{name}' is not a string")
    return value


def _integer(value: JsonValue) -> int:
    if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) <= _MOST_DIGITS:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise unreadable("a number of 64 bits is neither an integer nor a string of digits")
