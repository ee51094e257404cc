"""What a conversion makes: an eval file, and what it leaves out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue

_WIDTH = 110
_NOT_IN_YAML = re.compile(r"[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufeff\uff00-\ufffd\U00010000-\U0010ffff]")


class ConversionError(ValueError):
    """Something cannot be converted; the message says why."""


@dataclass(slots=True)
class Conversion:
    """An eval file, as far as it could be made.

    Attributes:
        origin: The command that made it.
        document: What the file says.
        left_out: What has no place in it, with where it stood and why.
        notes: What is in it, but may not be exactly what the other tool does.
    """

    origin: str
    document: JsonObject = field(default_factory=dict[str, JsonValue])
    left_out: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])

    def leave_out(self, place: str, reason: str) -> None:
        """Say once that something is not in the file."""
        text = f"{place}: {reason}"
        if text not in self.left_out:
            self.left_out.append(text)

    def note(self, place: str, text: str) -> None:
        """Say once what to know about something that is in the file."""
        note = f"{place}: {text}"
        if note not in self.notes:
            self.notes.append(note)

    @property
    def item_count(self) -> int:
        """Return how many items stand in the file."""
        items = self.document.get("data")
        return len(items) if isinstance(items, list) else 0

    def move_items(self, name: str) -> list[str]:
        """Take the items out of the file, which names another one in their place; return its lines."""
        items = self.document["data"]
        self.document["data"] = name
        return [jsontext.render(item) for item in items] if isinstance(items, list) else []

    def text(self) -> str:
        """Return the eval file as YAML, what it leaves out as comments at its beginning."""
        head = [f"Made by `{self.origin}`."]
        head += _listed("Not converted:", self.left_out) + _listed("To know:", self.notes)
        comments = "".join(f"# {_NOT_IN_YAML.sub('?', line)}\n".replace("# \n", "#\n") for line in head)
        return f"{comments}\n{_as_yaml(self.document)}"


def _listed(title: str, texts: Sequence[str]) -> list[str]:
    return ["", title, *(f"- {' '.join(text.split())}" for text in texts)] if texts else []


def _as_yaml(document: Mapping[str, JsonValue]) -> str:
    # Commands that write no such file start without it.
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString  # noqa: PLC0415

    def styled(value: JsonValue) -> Any:
        match value:
            case dict():
                return {key: styled(part) for key, part in value.items()}
            case list():
                return [styled(part) for part in value]
            case str() if _NOT_IN_YAML.search(value) or value.removesuffix("\n") != value.strip():
                return DoubleQuotedScalarString(value)
            case str() if "\n" in value:
                return LiteralScalarString(value)
            case str() if "{{" in value:
                return DoubleQuotedScalarString(value)
            case _:
                return value

    writer: Any = YAML()
    writer.width = _WIDTH
    writer.indent(mapping=2, sequence=4, offset=2)
    stream = StringIO()
    writer.dump(styled(dict(document)), stream)
    return stream.getvalue()
