"""What the pages call missing: probes that ask a running server, and the sentences that say so."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from evalhaven.settings import PREFIX, Settings
from tests.docs.deviations import matches

STATEMENTS = Path(__file__).parent / "missing.toml"
# What a sentence about something that is not built sounds like; much else does too, and is listed as such.
_SOUNDS_MISSING = re.compile(
    r"\byet\b|so far\b|for now\b|\bnot (?:there|kept|served|built|implemented|supported|available|possible|part of)\b"
    r"|\bunsupported\b|\bthis (?:release|version) (?:has|lacks|leaves|does)|\b(?:in|of) this (?:release|version)\b"
    r"|(?<!what )\b(?:is|are) missing\b|\bno model is called\b|\blater (?:release|version)|\b(?:coming|upcoming)\b"
    r"|\blands?\b|\bnothing is (?:logged|stored|kept)\b|\bempty so\b",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A sentence that sounds as if something were missing.

    Args:
        says: A part of it.
        entry: Id of the deviation whose probes show that the thing is missing, None if it is about something else.
        about: What it is about instead.
    """

    says: str
    entry: str | None
    about: str | None


def read_statements() -> list[Statement]:
    """Return the sentences that are known."""
    entries: list[dict[str, Any]] = tomllib.loads(STATEMENTS.read_text(encoding="utf-8"))["statement"]
    return [Statement(says=each["says"], entry=each.get("entry"), about=each.get("about")) for each in entries]


def unknown_statements(text: str, statements: list[Statement]) -> list[str]:
    """Return the lines of a page that call something missing and are in no list."""
    text = _FENCE.sub(lambda block: " " * len(block[0]), text)
    known = [span for each in statements for span in _spans(text, each.says)]
    found: dict[str, None] = {}
    for match in _SOUNDS_MISSING.finditer(text):
        if not any(start <= match.start() and match.end() <= end for start, end in known):
            start = text.rfind("\n", 0, match.start()) + 1
            found[text[start : text.find("\n", match.end())]] = None
    return list(found)


def is_missing(http: httpx2.Client, kind: str, subject: str) -> bool:
    """Return whether a probe finds that something is missing.

    Args:
        http: A client of a running server.
        kind: `request`: no such operation; `setting`: none has such a name; `open`: a request without a key and one
            with a wrong key are answered.
        subject: A request, or a pattern of settings.
    """
    if kind == "setting":
        return not any(matches(subject, f"{PREFIX}{name.upper()}") for name in Settings.model_fields)
    method, path = subject.split(" ")
    if kind == "open":
        wrong = {"authorization": "Bearer wrong"}
        return all(http.request(method, path, headers=each).is_success for each in ({}, wrong))
    if kind == "request":
        answer = http.request(method, path, json={} if method == "POST" else None)
        return answer.status_code == 405 or answer.json().get("error", {}).get("code") == "unknown_url"
    raise ValueError(f"no probe is called {kind!r}")


def _spans(text: str, part: str) -> Iterator[tuple[int, int]]:
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)
