"""An exchange, or a request and a reply from elsewhere, as a logged call."""

from dataclasses import dataclass, field
from hashlib import sha256

from evalhaven.domain import jsontext
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.exchanges import Exchange
from evalhaven.logs.reading.chat_streams import fold_chunks
from evalhaven.logs.reading.events import UnreadableReplyError, read_events
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.logs.reading.response_streams import fold_events

_PREFIXES = {CallKind.CHAT: "chatcmpl-", CallKind.RESPONSE: "resp_"}
_CONTENTS = {CallKind.CHAT: "choices", CallKind.RESPONSE: "output"}
_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """What is known of a call before anything is removed from it; the fields are those of `LoggedCall`."""

    scope: ProjectScope
    kind: CallKind
    created_at: int
    request: JsonObject = field(repr=False)
    reply: JsonObject = field(repr=False)
    origin: str
    first_byte_ms: int | None = None
    latency_ms: int | None = None


def read_exchange(exchange: Exchange, origin: str, redaction: Redaction) -> LoggedCall:
    """Return the logged call that an exchange is, without what must not be stored.

    The same exchange gives the same call wherever it is read. It was created when its request came: an endpoint's own
    clock may be wrong.

    Args:
        exchange: What the gateway handed over.
        origin: What makes the call unique in its project.
        redaction: What must not be stored.

    Raises:
        UnreadableReplyError: The request or the reply is not what its API says, or the reply is not complete.
    """
    parsed = ParsedCall(
        scope=exchange.scope,
        kind=exchange.kind,
        created_at=int(exchange.started_at),
        request=_parse(exchange.request, "the request"),
        reply=read_reply(exchange),
        origin=origin,
        first_byte_ms=exchange.first_byte_ms,
        latency_ms=exchange.latency_ms,
    )
    return logged_call(parsed, redaction)


def read_reply(exchange: Exchange) -> JsonObject:
    """Return the reply of an exchange as one object.

    Raises:
        UnreadableReplyError: It is not what its API says, or not complete.
    """
    # Some servers answer with an object whatever they are asked for.
    if not exchange.is_streamed or exchange.reply.lstrip()[:1] == b"{":
        return _parse(exchange.reply, "the reply")
    events = read_events(exchange.reply)
    return fold_chunks(events) if exchange.kind is CallKind.CHAT else fold_events(events)


def logged_call(parsed: ParsedCall, redaction: Redaction) -> LoggedCall:
    """Return a call as it may be stored: without what must not be, and with an id.

    Raises:
        UnreadableReplyError: The reply is not one of this API.
    """
    reply, kind = parsed.reply, parsed.kind
    if not isinstance(reply.get(_CONTENTS[kind]), list):
        raise UnreadableReplyError(f"it has no {_CONTENTS[kind]!r}, which a {kind.value} has")
    call_id = reply.get("id")
    if not isinstance(call_id, str) or not is_id_text(call_id):
        # Made of the origin, so that whoever reads the same call gives it the same id.
        call_id = _PREFIXES[kind] + sha256(parsed.origin.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]
        reply = {**reply, "id": call_id}
    request = parsed.request
    texts = jsontext.render(request), jsontext.render(reply)
    if redaction.may_change(texts):
        request, reply = redaction.apply(request, reply)
        texts = jsontext.render(request), jsontext.render(reply)
    asked, answered = _text(request.get("model")), _text(reply.get("model"))
    metadata = request.get("metadata")
    return LoggedCall(
        scope=parsed.scope,
        id=call_id,
        kind=kind,
        created_at=parsed.created_at,
        asked_model=asked or answered,
        model=answered or asked,
        request=texts[0],
        reply=texts[1],
        metadata=metadata if isinstance(metadata, dict) else {},
        origin=parsed.origin,
        first_byte_ms=parsed.first_byte_ms,
        latency_ms=parsed.latency_ms,
    )


def _parse(raw: bytes, what: str) -> JsonObject:
    try:
        value = jsontext.parse_reply(raw)
    except InvalidJsonError as error:
        raise UnreadableReplyError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UnreadableReplyError(f"{what} is not an object")
    return value


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
