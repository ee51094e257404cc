"""A line of JSON as a call: `{"request": …, "reply": …}`."""

from hashlib import sha256

from evalhaven.domain import jsontext
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.reading.calls import ParsedCall
from evalhaven.logs.reading.events import UnreadableReplyError

_MOST = 1 << 53
_HAS = "a line has a call's 'request' and its 'reply'"
_TIMES = {CallKind.CHAT: "created", CallKind.RESPONSE: "created_at"}
_ASKED_WITH = {CallKind.CHAT: "messages", CallKind.RESPONSE: "input"}


def read_line(raw: bytes, scope: ProjectScope, now: int) -> ParsedCall:
    """Return the call that a line holds.

    Args:
        raw: The line.
        scope: Whose call it is.
        now: Unix second at which a call was made that does not say when.

    Raises:
        UnreadableReplyError: The line is no such object.
    """
    try:
        line = jsontext.parse_received(raw)
    except InvalidJsonError as error:
        raise UnreadableReplyError(f"it is not JSON: {error}") from error
    if not isinstance(line, dict):
        raise UnreadableReplyError("it is not a JSON object; each call has a line of its own")
    request, reply = _object(line, "request"), _object(line, "reply")
    kind = kind_of(request, reply)
    metadata = line.get("metadata")
    if metadata is not None:
        if not isinstance(metadata, dict):
            raise UnreadableReplyError("'metadata' is not an object")
        request = {**request, "metadata": metadata}
    created_at = _number(line, "created_at")
    if created_at is None:
        created_at = _second(reply.get(_TIMES[kind])) or None  # some servers say 0
    return ParsedCall(
        scope=scope,
        kind=kind,
        created_at=now if created_at is None else created_at,
        request=request,
        reply=reply,
        origin=_origin(kind, request, reply),
        latency_ms=_number(line, "latency_ms"),
    )


def kind_of(request: JsonObject, reply: JsonObject) -> CallKind:
    """Tell with which API a call was made: by the reply, or else by the request.

    Raises:
        UnreadableReplyError: Neither says so.
    """
    said = reply.get("object")
    for kind in CallKind:
        if said == kind.value or (said is None and _ASKED_WITH[kind] in request):
            return kind
    kinds = " or ".join(repr(kind.value) for kind in CallKind)
    raise UnreadableReplyError(f"the 'object' of its reply is not {kinds}")


def _origin(kind: CallKind, request: JsonObject, reply: JsonObject) -> str:
    call_id = reply.get("id")
    if isinstance(call_id, str) and is_id_text(call_id):
        return f"import:{kind.value}:{call_id}"
    content = jsontext.render([request, reply]).encode("utf-8", "surrogatepass")
    return f"import:{sha256(content).hexdigest()}"


def _object(line: JsonObject, name: str) -> JsonObject:
    value = line.get(name)
    if not isinstance(value, dict):
        raise UnreadableReplyError(f"'{name}' is not an object" if name in line else f"'{name}' is missing; {_HAS}")
    return value


def _number(line: JsonObject, name: str) -> int | None:
    value = line.get(name)
    if value is None:
        return None
    found = _second(value)
    if found is None:
        raise UnreadableReplyError(f"'{name}' is not a number of at least 0")
    return found


def _second(value: JsonValue) -> int | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST:
        return int(value)
    return None
