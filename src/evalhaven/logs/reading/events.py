"""Server-sent events, as far as endpoints of models use them."""

from collections.abc import Iterator

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject

_DONE = b"[DONE]"


class UnreadableReplyError(Exception):
    """A reply cannot be stored; the message says why, without quoting it."""


def read_events(stream: bytes) -> Iterator[JsonObject | None]:
    """Yield the data of each event, and None for the mark that ends a stream of chat completions.

    Raises:
        UnreadableReplyError: An event's data is not a JSON object.
    """
    for block in _blocks(stream):
        data = b"\n".join(line[5:].removeprefix(b" ") for line in block if line.startswith(b"data:"))
        if not data.strip():
            continue  # a comment that keeps the connection open
        if data.strip() == _DONE:
            yield None
            continue
        try:
            event = jsontext.parse_reply(data)
        except InvalidJsonError as error:
            raise UnreadableReplyError(f"it has an event that is not JSON: {error}") from error
        if not isinstance(event, dict):
            raise UnreadableReplyError("it has an event that is not an object")
        yield event


def _blocks(stream: bytes) -> Iterator[list[bytes]]:
    """Yield the lines of each event; the last one may lack the empty line that should end it."""
    block: list[bytes] = []
    # Not splitlines: what else it takes for the end of a line may stand in a text.
    for line in stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line:
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block
