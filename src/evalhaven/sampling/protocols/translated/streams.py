"""Streams of chat completions as streams of responses, event by event as they come."""

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse_reply
from evalhaven.sampling.protocols.reply_errors import (
    UnusableReplyError,
    name_or_none,
    tells_of_failure,
    text_or_none,
    upstream_failure,
)
from evalhaven.sampling.protocols.translated.replies import (
    Echo,
    incomplete_details_of,
    reasoning_in,
    response_usage,
    status_of,
    text_part,
)
from evalhaven.sampling.response_events import CallItem, EventWriter, TextItem

_DONE = b"[DONE]"
_MOST_EVENT_BYTES = 16 * 1024 * 1024


class ServerSentEvents:
    """Splits a stream of server-sent events into their data."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, part: bytes) -> list[bytes]:
        """Return the data of the events that are complete.

        Raises:
            UnusableReplyError: An event is larger than any should be.
        """
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > _MOST_EVENT_BYTES:
            raise UnusableReplyError("it has an event of more than 16 MB")
        found: list[bytes] = []
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text.removeprefix(b"data:").strip())
            elif not text and self._data:
                found.append(b"\n".join(self._data))
                self._data = []
        return found


class ResponseStream:
    """Makes the events of a response of the chunks of a chat completion.

    A text, a refusal and reasoning end when something else begins; calls end with the response, since their pieces may
    be mixed.
    """

    def __init__(self, echo: Echo) -> None:
        """Say nothing yet.

        Args:
            echo: What the response says besides the answer.
        """
        self._echo = echo
        self._writer = EventWriter()
        self._events = ServerSentEvents()
        self._model: JsonValue = None
        self._has_begun = False
        self._items: list[TextItem | CallItem] = []
        self._text: TextItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._reason: str | None = None
        self._usage: JsonObject | None = None
        self.is_over = False

    def feed(self, part: bytes) -> bytes:
        """Return the events that a part of the chat completion's stream makes.

        Raises:
            UnusableReplyError: It is no stream of a chat completion, or reports a failure.
        """
        said: list[bytes] = []
        for data in self._events.feed(part):
            if data == _DONE:
                said.append(self.finish())
            elif not self.is_over:
                said.append(self._take(_object_of(data)))
        return b"".join(said)

    def finish(self) -> bytes:
        """Return the last events, once nothing more comes.

        Raises:
            UnusableReplyError: The stream ended without a reason: it was cut off.
        """
        if self.is_over:
            return b""
        if self._reason is None:
            raise UnusableReplyError("its stream ended before the answer did")
        self.is_over = True
        said = [self._begin(), self._end_text()]
        status = status_of(self._reason)
        said += [call.end(status) for call in self._calls.values()]
        response = self._echo.response(self._model, [each.item for each in self._items], status)
        response["incomplete_details"] = incomplete_details_of(self._reason)
        response["usage"] = self._usage
        return b"".join([*said, self._writer.event(f"response.{status}", response=response)])

    def _take(self, chunk: JsonObject) -> bytes:
        if tells_of_failure(chunk.get("error")):
            raise upstream_failure(chunk["error"])
        self._model = chunk.get("model") or self._model
        self._usage = response_usage(chunk.get("usage")) or self._usage
        said = [self._begin()]
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict):
            delta = choice.get("delta")
            if isinstance(delta, dict):
                said += self._take_delta(delta)
            self._reason = text_or_none(choice.get("finish_reason")) or self._reason
        return b"".join(said)

    def _take_delta(self, delta: JsonObject) -> list[bytes]:
        said: list[bytes] = []
        if thoughts := reasoning_in(delta):
            said.append(self._add_text("reasoning_text", thoughts))
        if text := text_or_none(delta.get("content")):
            said.append(self._add_text("output_text", text))
        if refusal := text_or_none(delta.get("refusal")):
            said.append(self._add_text("refusal", refusal))
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else []):
            if isinstance(call, dict):
                said.append(self._add_call(position, call))
        return said

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        response = self._echo.response(self._model, [], "in_progress")
        event = self._writer.event
        return event("response.created", response=response) + event("response.in_progress", response=response)

    def _add_text(self, kind: str, text: str) -> bytes:
        item, said = self._text, b""
        if item is None or item.kind != kind:
            said = self._end_text()
            item = self._text = TextItem(self._writer, *self._new_item(kind))
            self._items.append(item)
            said += item.begin()
        return said + item.add(text)

    def _new_item(self, kind: str) -> tuple[JsonObject, int, JsonObject]:
        index = len(self._items)
        if kind == "reasoning_text":
            item: JsonObject = {"type": "reasoning", "id": self._echo.item_id("rs", index), "summary": []}
            return item, index, {"type": kind, "text": ""}
        item = {
            "type": "message",
            "id": self._echo.item_id("msg", index),
            "status": "in_progress",
            "role": "assistant",
        }
        return item, index, text_part("") if kind == "output_text" else {"type": kind, "refusal": ""}

    def _end_text(self) -> bytes:
        item, self._text = self._text, None
        return b"" if item is None else item.end("completed" if self._reason is None else status_of(self._reason))

    def _add_call(self, position: int, call: JsonObject) -> bytes:
        number = call.get("index")
        at = number if isinstance(number, int) else position
        custom, function = call.get("custom"), call.get("function")
        given = custom if isinstance(custom, dict) else function if isinstance(function, dict) else {}
        said = b""
        item = self._calls.get(at)
        if item is None:
            said = self._end_text()
            is_custom = isinstance(custom, dict)
            index = len(self._items)
            begun: JsonObject = {
                "type": "custom_tool_call" if is_custom else "function_call",
                "id": self._echo.item_id("ctc" if is_custom else "fc", index),
                "status": "in_progress",
                "call_id": name_or_none(call.get("id")),
                "name": text_or_none(given.get("name")),
            }
            item = self._calls[at] = CallItem(self._writer, begun, index)
            self._items.append(item)
            said += item.begin()
        piece = text_or_none(given.get("input" if isinstance(custom, dict) else "arguments"))
        return said + item.add(piece) if piece else said


def _object_of(data: bytes) -> JsonObject:
    try:
        chunk = parse_reply(data)
    except InvalidJsonError as error:
        raise UnusableReplyError("it has an event that is not JSON") from error
    if not isinstance(chunk, dict):
        raise UnusableReplyError("it has an event that is not a JSON object")
    return chunk
