"""A streamed response as the object that the same call gets without a stream."""

from collections.abc import Iterable

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.logs.reading.events import UnreadableReplyError

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})
# Pieces of texts: the member of an item or of its part that they continue, and that a "done" gives as a whole.
_OF_ITEMS = {"response.function_call_arguments": "arguments", "response.custom_tool_call_input": "input"}
_OF_PARTS = {
    "response.output_text": ("content", "text"),
    "response.refusal": ("content", "refusal"),
    "response.reasoning_text": ("content", "text"),
    "response.reasoning_summary_text": ("summary", "text"),
}
_WHOLE_PARTS = {"response.content_part": "content", "response.reasoning_summary_part": "summary"}


def fold_events(events: Iterable[JsonObject | None]) -> JsonObject:
    """Return the response that events make up: the last one brings it, or its parts do.

    Raises:
        UnreadableReplyError: The stream ended before the response did.
    """
    stream = _Stream()
    for event in events:
        if event is None:
            stream.is_done = True
        else:
            stream.add(event)
    return stream.response()


class _Stream:
    """What the events of a response have said so far."""

    def __init__(self) -> None:
        self.is_done = False
        self._beginning: JsonObject = {}
        self._end: JsonObject | None = None
        self._has_failed = False
        self._items: dict[int, JsonObject] = {}

    def add(self, event: JsonObject) -> None:
        """Take in an event; one of an unknown kind says nothing about the response."""
        kind = event.get("type")
        response = event.get("response")
        if kind in _ENDS and isinstance(response, dict):
            self._end = response
        elif kind in _BEGINNINGS and isinstance(response, dict):
            self._beginning = response
        elif kind == "error" or event.get("error"):
            self._has_failed = True
        elif isinstance(kind, str):
            self._add_to_item(kind, event)

    def response(self) -> JsonObject:
        """Return the response.

        Raises:
            UnreadableReplyError: It did not come to its end.
        """
        items: list[JsonValue] = [self._items[index] for index in sorted(self._items)]
        if self._end is not None:
            # Some servers leave the output out of the last event, since it has been streamed.
            return {**self._end, "output": self._end.get("output") or items}
        if self._has_failed or not self.is_done or not items:
            raise UnreadableReplyError("the stream ended before the answer did")
        for item in self._items.values():
            if item.get("status") == "in_progress":
                item["status"] = "completed"
        return {"object": "response", **self._beginning, "status": "completed", "output": items}

    def _add_to_item(self, kind: str, event: JsonObject) -> None:
        index = event.get("output_index")
        if not isinstance(index, int):
            return
        name, _, step = kind.rpartition(".")
        item = event.get("item")
        if name == "response.output_item" and isinstance(item, dict):
            self._items[index] = dict(item)
            return
        known = self._items.setdefault(index, {})
        if name in _OF_ITEMS:
            _continue(known, _OF_ITEMS[name], step, event)
        elif name in _OF_PARTS:
            where, member = _OF_PARTS[name]
            _continue(_part(known, where, event), member, step, event)
        elif name in _WHOLE_PARTS and isinstance(part := event.get("part"), dict):
            _part(known, _WHOLE_PARTS[name], event).update(part)


def _part(item: JsonObject, where: str, event: JsonObject) -> JsonObject:
    """Return a part of an item, which is made if it is the next one."""
    parts = item.get(where)
    if not isinstance(parts, list):
        parts = item[where] = []
    index = event.get("summary_index" if where == "summary" else "content_index")
    position = index if isinstance(index, int) and 0 <= index < len(parts) else len(parts)
    if position == len(parts):
        parts.append({})
    part = parts[position]
    if not isinstance(part, dict):
        part = parts[position] = {}
    return part


def _continue(into: JsonObject, member: str, step: str, event: JsonObject) -> None:
    piece, known = event.get("delta"), into.get(member)
    if step == "delta" and isinstance(piece, str):
        into[member] = (known if isinstance(known, str) else "") + piece
    elif step == "done" and isinstance(event.get(member), str):
        into[member] = event[member]
