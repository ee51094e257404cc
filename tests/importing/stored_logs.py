"""Stored completions and responses of the hosted stand-in, and the answers about them."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
_COMPLETION = re.compile(r"/v1/chat/completions/([^/]+)/messages")
_RESPONSE = re.compile(r"/v1/responses/([^/]+)(/input_items)?")


def error_body(message: str) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return json.dumps({"error": error}).encode()


@dataclass
class StoredLogs:
    """What is stored; the `texts` of completions, messages and items are kept verbatim.

    Attributes:
        refusal: Status of every answer about completions, if they may not be read.
    """

    completions: dict[str, str] = field(default_factory=dict[str, str])
    messages: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    responses: dict[str, str] = field(default_factory=dict[str, str])
    input_items: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    refusal: int | None = None
    messages_refusal: int | None = None

    def fill(self, count: int, messages: int = 2) -> None:
        """Store completions of the documented form, with numbers and texts that parsing would change."""
        for n in range(count):
            public_id = f"chatcmpl-{n:04}"
            self.completions[public_id] = (
                f'{{"object": "chat.completion", "id": "{public_id}", "created": {1_760_000_000 + n},'
                f' "model": "gpt-4.1", "metadata": {{"number": "{n % 2}"}},'
                ' "big": 12345678901234567890123, "f": 1.50e3,'
                ' "choices": [{"index": 0, "message": {"role": "assistant", "content": "\\ud800 ok"}}]}'
            )
            self.messages[public_id] = [
                f'{{"id": "{public_id}-{m}", "role": "user", "content": "Say {m}.", "x": 1.0}}' for m in range(messages)
            ]

    def add_response(self, public_id: str, items: int = 1) -> None:
        self.responses[public_id] = f'{{"object": "response", "id": "{public_id}", "n": 1.0, "output": []}}'
        self.input_items[public_id] = [f'{{"id": "msg_{n}", "type": "message", "n": {n}.0}}' for n in range(items)]

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes] | None:
        """Return status and body; None if the path is not one of these."""
        if path == "/v1/chat/completions":
            return self._list(list(self.completions.values()), query, self.refusal)
        if match := _COMPLETION.fullmatch(path):
            return self._list(self.messages.get(match[1]), query, self.messages_refusal)
        if match := _RESPONSE.fullmatch(path):
            if match[2] or match[1] not in self.responses:
                return self._list(self.input_items.get(match[1]), query, None)
            return 200, self.responses[match[1]].encode()
        return None

    def _list(self, texts: list[str] | None, query: dict[str, str], refusal: int | None) -> tuple[int, bytes]:
        if refusal is not None:
            return refusal, error_body("You have insufficient permissions for this operation.")
        return (404, error_body("It is not there.")) if texts is None else (200, page_of(texts, query))


def page_of(texts: list[str], query: dict[str, str]) -> bytes:
    """Return a page of a list as the API pages it."""
    ids = [json.loads(text)["id"] for text in texts]
    assert query.get("order") == "asc"
    first = ids.index(query["after"]) + 1 if "after" in query else 0
    end = first + int(query.get("limit", "20"))
    listed = ids[first:end]
    edges = {"first_id": listed[0] if listed else None, "last_id": listed[-1] if listed else None}
    rest = json.dumps({**edges, "has_more": end < len(texts)})[1:]
    return f'{{"object": "list",\n "data": [{", ".join(texts[first:end])}], {rest}'.encode()
