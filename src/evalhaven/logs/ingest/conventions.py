"""The span of a call to a model as a call, whichever convention it follows."""

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.ingest.genai import read_attributes, reply_of
from evalhaven.logs.ingest.genai_events import read_events
from evalhaven.logs.ingest.lines import kind_of
from evalhaven.logs.ingest.messages import structured
from evalhaven.logs.ingest.openinference import read_messages, read_raw
from evalhaven.logs.ingest.spans import Span
from evalhaven.logs.reading.calls import ParsedCall
from evalhaven.logs.reading.events import UnreadableReplyError

_OPERATIONS = ("chat", "generate_content", "text_completion")
_METADATA = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.conversation.id",
    "gen_ai.agent.name",
    "gen_ai.prompt.name",
    "session.id",
    "llm.provider",
    "llm.system",
)
_OF_RESOURCE = ("service.name", "service.version", "deployment.environment.name", "deployment.environment")
_NS_A_SECOND = 1_000_000_000
_NS_A_MS = 1_000_000


def is_call(span: Span) -> bool:
    """Tell whether a span is a call to a model that was answered; agents, tools and embeddings are none."""
    told = span.attributes
    operation, kind = told.get("gen_ai.operation.name"), told.get("openinference.span.kind")
    return (operation in _OPERATIONS or (isinstance(kind, str) and kind.upper() == "LLM")) and not span.is_failed


def read_call(span: Span, scope: ProjectScope, now: int) -> ParsedCall:
    """Return the call that a span is.

    Args:
        span: The span.
        scope: Whose call it is.
        now: Unix second at which a call was made that does not say when.

    Raises:
        UnreadableReplyError: It does not tell what was asked and answered.
    """
    request, reply = _content(span)
    own = request.get("metadata")
    metadata: JsonObject = {**_metadata(span), **(own if isinstance(own, dict) else {})}
    request["metadata"] = metadata
    took_ns = span.ended_ns - span.started_ns
    return ParsedCall(
        scope=scope,
        kind=kind_of(request, reply),
        created_at=span.started_ns // _NS_A_SECOND or now,
        request=request,
        reply=reply,
        origin=f"otlp:{span.trace_id}:{span.span_id}",
        latency_ms=took_ns // _NS_A_MS if took_ns >= 0 else None,
    )


def _content(span: Span) -> tuple[JsonObject, JsonObject]:
    found = read_attributes(span) or read_events(span)
    if found is not None:
        request, choices = found
        return request, reply_of(span, choices)
    content = read_raw(span) or read_messages(span)
    if content is None:
        raise UnreadableReplyError(
            "it does not hold what was asked and answered: let the instrumentation capture the content of messages "
            "(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT)"
        )
    request, reply = content
    return dict(request), {"object": CallKind.CHAT.value, **reply} if "choices" in reply else reply


def _metadata(span: Span) -> JsonObject:
    found: dict[str, JsonValue] = {name: span.resource[name] for name in _OF_RESOURCE if name in span.resource}
    found |= {name: span.attributes[name] for name in _METADATA if name in span.attributes}
    said = structured(span.attributes.get("metadata"))
    return {**found, **(said if isinstance(said, dict) else {})}
