"""YAML 1.2 and JSON, read with the line of every value."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.eval_files.problems import EvalFileError, Problem

Place = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_MOST_VALUES = 1_000_000
_TEMPLATE = 'A text that contains {{ … }} must stand in quotes, such as "{{ item.question }}", or in a block after |.'
_BINARY, _OCTAL, _HEXADECIMAL = 2, 8, 16


@dataclass(slots=True)
class Located:
    """A document, and where its values are.

    Attributes:
        path: The file.
        value: What it says.
        lines: The line of each value, from 1 on, by its place; of a member of an object, the line of its key.
    """

    path: Path
    value: JsonValue
    lines: dict[Place, int] = field(default_factory=dict[Place, int])

    def line_of(self, place: Place) -> int:
        """Return the line of a place, or of the nearest value around it."""
        while place not in self.lines and place:
            place = place[:-1]
        return self.lines.get(place, 1)

    def problem(self, place: Place, message: str) -> Problem:
        """Return a problem of the value at a place."""
        return Problem(self.path, self.line_of(place), message)


def read_text(path: Path, shown: Path | None = None) -> str:
    """Return the text of a file.

    Args:
        path: The file.
        shown: How messages name it; None as it is.

    Raises:
        EvalFileError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EvalFileError.at(shown or path, None, f"The file cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise EvalFileError.at(shown or path, None, f"The file is not UTF-8: byte {error.start} is none.") from error


def parse_document(path: Path, text: str) -> Located:
    """Return what a file says: JSON if its name ends in .json, else YAML.

    Args:
        path: The file.
        text: Its text.

    Raises:
        EvalFileError: It is neither, or has a key twice, or something that JSON has no word for.
    """
    value: JsonValue = None
    is_json = path.suffix.lower() == ".json"
    if is_json:
        try:
            value = jsontext.parse_received(text)
        except jsontext.InvalidJsonError as error:
            found = re.search(r" at line (\d+)", str(error))
            line = int(found[1]) if found else _line_of_byte(text, str(error))
            raise EvalFileError.at(path, line, f"This is not valid JSON: {error}.") from error
    root = _compose(path, text)
    document = Located(path, None)
    if root is not None:
        reader = _Reader(document)
        document.value = reader.read(root, ())
        if reader.problems:
            raise EvalFileError(reader.problems)
    if is_json:
        document.value = value
    return document


def _line_of_byte(text: str, message: str) -> int | None:
    found = re.search(r"at byte (\d+)", message) or re.search(r"\(byte (\d+)\)", message)
    return text.encode("utf-8", "replace")[: int(found[1])].count(b"\n") + 1 if found else None


def _compose(path: Path, text: str) -> Any:
    # Commands that read no such file start without it.
    from ruamel.yaml import YAML  # noqa: PLC0415
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    loader: Any = YAML(typ="safe", pure=True)
    try:
        return loader.compose(text)
    except MarkedYAMLError as error:
        marked: Any = error
        mark = marked.problem_mark or marked.context_mark
        line = mark.line + 1 if mark else None
        raise EvalFileError.at(path, line, f"This is not valid YAML: {_what_is_wrong(marked)}.") from error
    except (YAMLError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise EvalFileError.at(path, None, f"This is not valid YAML: {what}.") from error


def _what_is_wrong(error: Any) -> str:
    if "another document" in str(error.problem):
        return "another document begins, but a file has one"
    return f"{error.problem} {error.context}" if error.context else str(error.problem)


class _Reader:
    """Turns nodes into values and notes their lines."""

    def __init__(self, document: Located) -> None:
        self._document = document
        self._count = 0
        self._under_way: set[int] = set()
        self.problems: list[Problem] = []

    def read(self, node: Any, place: Place, line: int | None = None) -> JsonValue:
        """Return the value of a node.

        Args:
            node: The node.
            place: Where it is.
            line: The line that stands for it; None for its own.
        """
        self._document.lines.setdefault(place, node.start_mark.line + 1 if line is None else line)
        self._count += 1
        # Aliases of aliases make a small file a large one.
        if self._count > _MOST_VALUES or len(place) > jsontext.MAX_NESTING:
            raise EvalFileError([self._document.problem(place, "There are too many values here: aliases multiply.")])
        if id(node) in self._under_way:
            raise EvalFileError([self._document.problem(place, "This alias is part of what it stands for.")])
        kind = str(node.tag).removeprefix(_TAG)
        if isinstance(node.value, str):
            return self._scalar(kind, node.value, place)
        self._under_way.add(id(node))
        try:
            if kind == "map":
                return self._mapping(node, place)
            if kind == "seq":
                return [self.read(each, (*place, index)) for index, each in enumerate(node.value)]
        finally:
            self._under_way.discard(id(node))
        self.problems.append(self._document.problem(place, f"The tag {node.tag} has no meaning here; leave it out."))
        return None

    def _mapping(self, node: Any, place: Place) -> JsonObject:
        members: JsonObject = {}
        merged: list[Any] = []
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key.value, str):
                at = (*place, "")
                self._document.lines[at] = line
                self.problems.append(
                    self._document.problem(at, _TEMPLATE if key.tag.endswith(":map") else "A key must be a text.")
                )
                continue
            if key.tag == f"{_TAG}merge":
                merged += value.value if value.tag == f"{_TAG}seq" else [value]
                continue
            at = (*place, key.value)
            if key.value in members:
                first = self._document.line_of(at)
                message = f"The key {key.value!r} stands here twice, first in line {first}; keep one."
                self.problems.append(Problem(self._document.path, line, message))
                continue
            members[key.value] = self.read(value, at, line)
        for each in merged:
            if each.tag != f"{_TAG}map":
                self.problems.append(self._document.problem(place, "'<<' must have an object, or a list of objects."))
                continue
            for key, value in self._mapping(each, place).items():
                members.setdefault(key, value)
        return members

    def _scalar(self, kind: str, text: str, place: Place) -> JsonValue:
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() in ("true", "yes", "on")
        if kind in ("int", "float"):
            try:
                return _number(kind, text)
            except ValueError:
                message = f"{text} is not a number that JSON has; put it in quotes if it is a text."
                self.problems.append(self._document.problem(place, message))
                return None
        if kind not in ("str", "timestamp", "merge", "value"):
            self.problems.append(
                self._document.problem(place, f"The tag !{kind.lstrip('!')} has no meaning here; leave it out.")
            )
        return text


def _number(kind: str, text: str) -> int | float:
    plain = text.replace("_", "").lower()
    if kind == "float":
        return cast("float", jsontext.parse(_json_float(plain)))
    sign = -1 if plain.startswith("-") else 1
    digits = plain.lstrip("+-")
    for prefix, base in (("0b", _BINARY), ("0o", _OCTAL), ("0x", _HEXADECIMAL)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits)


def _json_float(text: str) -> str:
    number = float(text)  # which raises ValueError for .inf and .nan, written with a dot
    return repr(number)


def walk(value: JsonValue, place: Place = ()) -> Iterator[tuple[Place, JsonValue]]:
    """Yield each value of a document with its place, parents first."""
    yield place, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from walk(member, (*place, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from walk(member, (*place, index))
