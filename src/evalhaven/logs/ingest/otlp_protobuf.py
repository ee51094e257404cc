"""OpenTelemetry's spans in protobuf."""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.logs.ingest.spans import FAILED, Span, unreadable


def read_spans(raw: bytes) -> Iterator[Span]:
    """Yield the spans of a body.

    Raises:
        InvalidRequestError: It is no export of spans.
    """
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(raw)
    except DecodeError as error:
        raise unreadable("it is not the protobuf of one") from error
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for scoped in group.scope_spans:
            for span in scoped.spans:
                yield Span(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    started_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                    attributes=_attributes(span.attributes),
                    resource=resource,
                    events=[(event.name, _attributes(event.attributes)) for event in span.events],
                    is_failed=span.status.code == FAILED,
                )


def answer(rejected: int, message: str) -> bytes:
    """Return the answer to an export."""
    response = ExportTraceServiceResponse()
    if message:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    return response.SerializeToString()


def _attributes(pairs: Iterable[Any]) -> JsonObject:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> JsonValue:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [_value(each) for each in found.values]
    if kind == "kvlist_value":
        return _attributes(found.values)
    return found.hex() if kind == "bytes_value" else found
