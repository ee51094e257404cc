"""Spans of OpenTelemetry, as far as calls to models are read from them."""

from dataclasses import dataclass, field

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonObject

FAILED = 2
"""The status code of a span that ended with an error."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span.

    Attributes:
        resource: Attributes of what made it, such as `service.name`.
        events: Name and attributes of each of its events, in their order.
    """

    trace_id: str
    span_id: str
    started_ns: int
    ended_ns: int
    attributes: JsonObject = field(repr=False)
    resource: JsonObject
    events: list[tuple[str, JsonObject]] = field(repr=False)
    is_failed: bool


def unreadable(why: str) -> InvalidRequestError:
    """Return the error of a body that is no export of spans."""
    return InvalidRequestError(
        f"The body is not an ExportTraceServiceRequest of OpenTelemetry: {why}.", code="invalid_spans"
    )
