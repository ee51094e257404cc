"""The events of a streamed response."""

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue

# Where the text of a part or of a call stands, and what its events are called.
_TEXTS = {
    "output_text": ("text", "response.output_text"),
    "refusal": ("refusal", "response.refusal"),
    "reasoning_text": ("text", "response.reasoning_text"),
}
_CALLS = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}


class EventWriter:
    """Numbers events and writes them as server-sent events."""

    def __init__(self) -> None:
        self._number = 0

    def event(self, kind: str, **fields: JsonValue) -> bytes:
        """Return an event.

        Args:
            kind: Such as `response.completed`.
            fields: What it says.
        """
        document: JsonObject = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {kind}\ndata: {jsontext.render(document)}\n\n".encode()


class OpenItem:
    """An output item that is still growing: a message, reasoning, or a call.

    Attributes:
        item: What is known of it so far.
    """

    def __init__(self, writer: EventWriter, item: JsonObject, output_index: int) -> None:
        self._writer = writer
        self._place: JsonObject = {"item_id": item["id"], "output_index": output_index}
        self._output_index = output_index
        self.item = item

    def begin(self) -> bytes:
        """Return the event that shows it."""
        return self._writer.event("response.output_item.added", output_index=self._output_index, item=self.item)

    def end(self, status: str) -> bytes:
        """Return the event with the whole of it."""
        if self.item["type"] != "reasoning":
            self.item["status"] = status
        return self._writer.event("response.output_item.done", output_index=self._output_index, item=self.item)

    def say(self, kind: str, **fields: JsonValue) -> bytes:
        """Return an event about it."""
        return self._writer.event(kind, **self._place, **fields)


class TextItem(OpenItem):
    """An item that consists of a single part: text, refusal or reasoning."""

    def __init__(self, writer: EventWriter, item: JsonObject, output_index: int, part: JsonObject) -> None:
        super().__init__(writer, {**item, "content": []}, output_index)
        self.kind = str(part["type"])
        self._key, self._event = _TEXTS[self.kind]
        self._part = part
        self._texts: list[str] = []
        self._extra: JsonObject = {"logprobs": []} if self.kind == "output_text" else {}

    def begin(self) -> bytes:
        """Return the events that show it, and that its part begins."""
        return super().begin() + self.say("response.content_part.added", content_index=0, part=self._part)

    def add(self, text: str) -> bytes:
        """Return the event of a further piece of text."""
        self._texts.append(text)
        return self.say(f"{self._event}.delta", content_index=0, delta=text, **self._extra)

    def end(self, status: str) -> bytes:
        """Return the events with the whole of it."""
        text = "".join(self._texts)
        part = {**self._part, self._key: text}
        self.item["content"] = [part]
        said = self.say(f"{self._event}.done", content_index=0, **{self._key: text}, **self._extra)
        return said + self.say("response.content_part.done", content_index=0, part=part) + super().end(status)


class CallItem(OpenItem):
    """A call of a function or of a custom tool."""

    def __init__(self, writer: EventWriter, item: JsonObject, output_index: int) -> None:
        self._key, self._event = _CALLS[str(item["type"])]
        super().__init__(writer, {**item, self._key: ""}, output_index)
        self._texts: list[str] = []

    def add(self, text: str) -> bytes:
        """Return the event of a further piece of what is called for."""
        self._texts.append(text)
        return self.say(f"{self._event}.delta", delta=text)

    def end(self, status: str) -> bytes:
        """Return the events with the whole of it."""
        text = "".join(self._texts)
        self.item[self._key] = text
        return self.say(f"{self._event}.done", **{self._key: text}) + super().end(status)
