"""The operations of a server, read from its own OpenAPI document, so that a new route is attacked automatically."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

JSON = "application/json"
FORM = "multipart/form-data"


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    Attributes:
        id: Its `operationId`.
        method: Upper case.
        template: Its path, parameters in braces.
        path: Names of its path parameters.
        query: Names of its query parameters.
        body: Media type of its body; None without one.
        answers: What it may answer by status, as the document has it.
    """

    id: str
    method: str
    template: str
    path: tuple[str, ...]
    query: tuple[str, ...]
    body: str | None
    answers: dict[str, Any]

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def destroys(self) -> bool:
        """Whether one request changes its object for good, so that each needs an object of its own."""
        return self.method == "DELETE" or self.id == "cancelEvalRun" or "upload_id" in self.path

    @property
    def downloads(self) -> bool:
        """Whether it answers with bytes."""
        return JSON not in self.answers.get("200", {}).get("content", {JSON: {}})

    def target(self, ids: Mapping[str, str | bytes], query: bytes = b"") -> bytes:
        """Return the request target.

        Args:
            ids: The path parameters: text is encoded, bytes are put in as they are.
            query: What follows the question mark; none when empty.
        """
        target = b""
        for step in self.template.split("/")[1:]:
            value = ids[step[1:-1]] if step.startswith("{") else step
            target += b"/" + (quote(value, safe="").encode() if isinstance(value, str) else value)
        return target + (b"?" + query if query else b"")


def operations_of(document: dict[str, Any]) -> dict[str, Operation]:
    """Return the operations of an OpenAPI document by their ids."""
    found: dict[str, Operation] = {}
    for template, methods in document["paths"].items():
        for method, described in methods.items():
            names: dict[str, list[str]] = {"path": [], "query": [], "header": []}
            for parameter in described.get("parameters", []):
                names[parameter["in"]].append(parameter["name"])
            media = list(described.get("requestBody", {}).get("content", {}))
            assert len(media) <= 1, f"{described['operationId']} takes several kinds of body: {media}"
            found[described["operationId"]] = Operation(
                id=described["operationId"],
                method=method.upper(),
                template=template,
                path=tuple(names["path"]),
                query=tuple(names["query"]),
                body=media[0] if media else None,
                answers=described["responses"],
            )
    return found
