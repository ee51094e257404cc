"""The list of deviations from the hosted API: `tests/docs/deviations/*.toml`, a file for each section of the page."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent / "deviations"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Which requests that the published document allows are refused here.

    Args:
        deviation: Id of the deviation that it belongs to.
        operation: Pattern of the operation's id.
        param: Pattern of the parameter that the error names.
        message: Pattern of the error's message.
    """

    deviation: str
    operation: str
    param: str
    message: str

    def covers(self, operation: str, status: int, error: dict[str, Any]) -> bool:
        """Return whether a refusal is one of these; all of them are 400."""
        return (
            status == 400
            and matches(self.operation, operation)
            and matches(self.param, error["param"] or "")
            and matches(self.message, error["message"])
        )


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """One thing that Evalhaven does differently from the hosted API, or that nobody knows about the hosted API.

    Args:
        id: A short name; the page has it as an anchor.
        what: What it is about, for the first column.
        text: What Evalhaven does, and why.
        tests: The tests that show it, `path::name`.
        differences: Patterns of the differences between the two documents that it explains.
        refusals: The valid requests that it refuses.
        missing: What shows that something is missing, where it says so: a kind of probe and its subject
            (`tests/docs/missing.py`).
    """

    id: str
    what: str
    text: str
    tests: tuple[str, ...]
    differences: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    missing: tuple[tuple[str, str], ...]

    def explains(self, difference: str) -> bool:
        """Return whether a difference between the documents is this deviation."""
        return any(matches(pattern, difference) for pattern in self.differences)


@dataclass(frozen=True, kw_only=True)
class Section:
    """The deviations of one section of the page.

    Args:
        title: The section's heading.
        intro: What stands before its table.
        deviations: The rows.
    """

    title: str
    intro: str
    deviations: tuple[Deviation, ...]


def read_sections() -> list[Section]:
    """Return the sections, in the order in which the page has them."""
    return [_section(tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(DIRECTORY.glob("*.toml"))]


def read_deviations() -> list[Deviation]:
    """Return the deviations of all sections."""
    return [each for section in read_sections() for each in section.deviations]


def matches(pattern: str, text: str) -> bool:
    """Return whether a text is what a pattern says; `*` in it stands for anything."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text, re.DOTALL) is not None


def _section(document: dict[str, Any]) -> Section:
    return Section(
        title=document["title"],
        intro=document.get("intro", "").strip(),
        deviations=tuple(_deviation(each) for each in document["deviation"]),
    )


def _deviation(entry: dict[str, Any]) -> Deviation:
    refusals = [
        Refusal(
            deviation=entry["id"],
            operation=each["operation"],
            param=each["param"],
            message=each.get("message", "*"),
        )
        for each in entry.get("refuses", [])
    ]
    return Deviation(
        id=entry["id"],
        what=entry["what"],
        text=entry["text"],
        tests=tuple(entry["tests"]),
        differences=tuple(entry.get("differences", [])),
        refusals=tuple(refusals),
        missing=tuple(pair for each in entry.get("missing", []) for pair in each.items()),
    )
