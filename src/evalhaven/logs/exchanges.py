"""What the gateway hands over of a call to a model."""

from dataclasses import dataclass, field

from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import ProjectScope


@dataclass(frozen=True, slots=True)
class Exchange:
    """A finished call, as bytes: what it says is read in the storing process.

    Attributes:
        scope: The project that made it.
        kind: Which API it was made with.
        started_at: Unix time at which the request arrived, in seconds.
        request: The request's body in JSON, as it is to be stored: a `previous_response_id` is kept, and the
            conversation it names stands in `input`.
        reply: The body that the client received: one JSON object, or server-sent events.
        is_streamed: Whether it is events.
        first_byte_ms: Time to the first byte of the reply.
        latency_ms: Time to its last byte.
    """

    scope: ProjectScope
    kind: CallKind
    started_at: float
    request: bytes = field(repr=False)
    reply: bytes = field(repr=False)
    is_streamed: bool
    first_byte_ms: int
    latency_ms: int
