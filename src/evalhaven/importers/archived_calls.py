"""The logged calls of an archive, as lines that a server takes in."""

import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.importers.archived import ArchiveSource

# What the hosted API shows of a stored completion and its response is also what was asked for.
_ASKED_OF_CHAT = (
    "model",
    "metadata",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "max_completion_tokens",
    "max_tokens",
    "user",
)
_ASKED_OF_RESPONSE = (
    "model",
    "metadata",
    "instructions",
    "temperature",
    "top_p",
    "max_output_tokens",
    "previous_response_id",
    "reasoning",
    "text",
    "tools",
    "tool_choice",
    "user",
    "safety_identifier",
)


def archived_calls(source: ArchiveSource) -> Iterator[bytes]:
    """Yield a line for each stored completion and each response of an archive."""
    # An archive has messages in the order in which they came, not in that of the completions.
    with (
        tempfile.TemporaryDirectory(prefix="evalhaven-calls-") as directory,
        closing(sqlite3.connect(Path(directory) / "messages.db", check_same_thread=False)) as messages,
    ):
        messages.execute("CREATE TABLE messages (id TEXT PRIMARY KEY, pages BLOB NOT NULL) WITHOUT ROWID")
        messages.executemany("INSERT OR REPLACE INTO messages VALUES (?, ?)", _messages(source))
        for completion in map(_object, source.logged("stored_completions")):
            found = messages.execute("SELECT pages FROM messages WHERE id = ?", (completion.get("id"),)).fetchone()
            yield _line(_chat_request(completion, None if found is None else found[0]), completion)
    for each in map(_object, source.logged("responses")):
        response = each.get("response")
        if isinstance(response, dict):
            yield _line(_response_request(response, each.get("input_items")), response)


def _messages(source: ArchiveSource) -> Iterator[tuple[str, bytes]]:
    for each in map(_object, source.logged("completion_messages")):
        completion_id = each.get("id")
        if isinstance(completion_id, str):
            yield (
                completion_id,
                zlib.compress(jsontext.render(each.get("messages")).encode(), 1),
            )


def _chat_request(completion: JsonObject, packed: bytes | None) -> JsonObject:
    pages = [] if packed is None else jsontext.parse(zlib.decompress(packed))
    # The ids of messages are the server's, and no part of what was sent.
    messages: list[JsonValue] = [
        {key: value for key, value in each.items() if key != "id"} for each in _elements(pages)
    ]
    return {**_asked(completion, _ASKED_OF_CHAT), "messages": messages}


def _response_request(response: JsonObject, pages: JsonValue) -> JsonObject:
    return {**_asked(response, _ASKED_OF_RESPONSE), "input": [*_elements(pages)]}


def _asked(shown: JsonObject, names: tuple[str, ...]) -> JsonObject:
    return {name: shown[name] for name in names if shown.get(name) is not None}


def _elements(pages: JsonValue) -> list[JsonObject]:
    """Return the elements of the pages of a list, in their order."""
    found: list[JsonObject] = []
    for page in pages if isinstance(pages, list) else ():
        data = page.get("data") if isinstance(page, dict) else None
        found += [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    return found


def _object(raw: bytes) -> JsonObject:
    try:
        value = jsontext.parse_received(raw)
    except InvalidJsonError:
        return {}
    return value if isinstance(value, dict) else {}


def _line(request: JsonObject, reply: JsonObject) -> bytes:
    return jsontext.render({"request": request, "reply": reply}).encode() + b"\n"
