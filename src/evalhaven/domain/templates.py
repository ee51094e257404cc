"""Templates: text with placeholders such as `{{ item.ticket_text }}`.

A placeholder is `{{`, white space, `item` or `sample`, a path of `.name`, `[index]`, `["name"]` or `['name']`, white
space, `}}`. A name may have spaces inside it, as columns of tables do; it resolves only if that exact key exists.
Text that starts like one but is outside this grammar (calls, filters) is a placeholder that never resolves; every
other brace is literal. Nothing is executed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from evalhaven.domain.jsontext import InvalidJsonError, JsonValue, parse, parse_received

Step = str | int

_WORD = r"[^\s.\[\]{}()|\"'`,;:!?*/+<>=&%^~]+"
_STEP = re.compile(
    rf"\.(?P<name>{_WORD}(?:[^\S\r\n]+{_WORD})*)"
    r"|\[\s*(?P<index>\d{1,9})\s*\]"
    r'|\["(?P<key>(?:[^"\\]|\\.)*)"\]'
    r"|\['(?P<quoted>(?:[^'\\]|\\.)*)'\]",
    re.DOTALL,
)
_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_REWRITTEN = {"\\'": "'", '"': '\\"'}
_PLACEHOLDER = re.compile(
    r"\{\{\s*(?P<root>item|sample)"
    r"(?:(?P<path>(?:" + re.sub(r"\?P<\w+>", "?:", _STEP.pattern) + r")*)\s*\}\}"
    r"|(?P<broken>(?=\s*[.\[(|])(?:(?!\}\}).)*(?:\}\})?))",
    re.DOTALL,
)
_MISSING = object()
MAX_RENDERED_CHARS = 32 * 1024 * 1024


class TemplateTooLargeError(ValueError):
    """A template repeats a large value too many times to be rendered."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One `{{ … }}`: the path to its value, or None if the text is outside the grammar.

    Attributes:
        text: The placeholder as written, without the braces and outer white space.
        root: `item` or `sample`.
        path: Names (str) and indexes (int) below the root; None never resolves.
        spaced: The names written after a dot with spaces in them, which may be meant as something else.
    """

    text: str
    root: str
    path: tuple[Step, ...] | None
    spaced: tuple[str, ...] = ()

    def get_value(self, namespaces: Mapping[str, JsonValue]) -> JsonValue:
        """Return the value that the placeholder names, unchanged.

        Raises:
            LookupError: The placeholder has no value.

        Args:
            namespaces: The values of `item` and `sample`.
        """
        value = _resolve(self, namespaces)
        if value is _MISSING:
            raise LookupError(self.text)
        return cast("JsonValue", value)


class Rendered(NamedTuple):
    """The text of a template for one item, and the placeholders that had no value (empty: all resolved)."""

    text: str
    unresolved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template.

    Attributes:
        parts: Literal texts and placeholders in order.
        only: The placeholder of a template that consists of one, as most of those that are compared do.
    """

    parts: tuple[str | Placeholder, ...]
    only: Placeholder | None = None

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """Return the placeholders, in order."""
        return tuple(part for part in self.parts if isinstance(part, Placeholder))

    def render(self, namespaces: Mapping[str, JsonValue]) -> Rendered:
        """Return the text with each placeholder replaced.

        Strings go in verbatim, other values as JSON text. A placeholder without a value leaves nothing.

        Raises:
            TemplateTooLargeError: The text would be longer than 32 million characters.

        Args:
            namespaces: The values of `item` and `sample`; placeholders below an absent one do not resolve.
        """
        if self.only is not None and isinstance(value := _resolve(self.only, namespaces), str):
            if len(value) > MAX_RENDERED_CHARS:
                raise TemplateTooLargeError
            return Rendered(value, ())
        texts: list[str] = []
        unresolved: list[str] = []
        length = 0
        for part in self.parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = _resolve(part, namespaces)
            if value is _MISSING:
                unresolved.append(part.text)
                continue
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            length += len(text)
            if length > MAX_RENDERED_CHARS:
                raise TemplateTooLargeError
            texts.append(text)
        return Rendered("".join(texts), tuple(unresolved))


def parse_template(text: str) -> Template:
    """Split a text into literals and placeholders; every text is a template, so this never fails."""
    parts: list[str | Placeholder] = []
    position = 0
    for match in _PLACEHOLDER.finditer(text):
        if match.start() > position:
            parts.append(text[position : match.start()])
        position = match.end()
        parts.append(_placeholder(match))
    if position < len(text):
        parts.append(text[position:])
    only = parts[0] if len(parts) == 1 else None
    return Template(tuple(parts), only if isinstance(only, Placeholder) else None)


def _placeholder(match: re.Match[str]) -> Placeholder:
    written = match.group().removeprefix("{{").removesuffix("}}").strip()
    if match["broken"] is not None:
        return Placeholder(written, match["root"], None)
    steps: list[Step] = []
    spaced: list[str] = []
    for step in _STEP.finditer(match["path"]):
        if step["index"] is not None:
            steps.append(int(step["index"]))
        elif (name := step["name"]) is not None:
            steps.append(name)
            if any(char.isspace() for char in name):
                spaced.append(name)
        else:
            quoted = step["quoted"]
            key = step["key"] if quoted is None else _QUOTE.sub(_in_double_quotes, quoted)
            try:
                steps.append(str(parse(f'"{key}"')))
            except InvalidJsonError:
                return Placeholder(written, match["root"], None)
    return Placeholder(written, match["root"], tuple(steps), tuple(spaced))


def _in_double_quotes(found: re.Match[str]) -> str:
    """Return an escape or a quote found between single quotes as it is written between double quotes."""
    return _REWRITTEN.get(found.group(), found.group())


def _resolve(placeholder: Placeholder, namespaces: Mapping[str, JsonValue]) -> object:
    """Return the value that a placeholder names, or `_MISSING`; paths walk through JSON strings."""
    value: object = namespaces.get(placeholder.root, _MISSING)
    if placeholder.path is None:
        return _MISSING
    for step in placeholder.path:
        if type(value) is dict:  # the usual case: its keys are texts, so that an index finds nothing
            value = cast("dict[Step, object]", value).get(step, _MISSING)
            continue
        if isinstance(value, str):
            try:
                value = parse_received(value)
            except InvalidJsonError:
                return _MISSING
        value = _step_into(value, step)
    return value


def _step_into(value: object, step: Step) -> object:
    if isinstance(value, dict) and isinstance(step, str):
        return cast("dict[str, object]", value).get(step, _MISSING)
    if isinstance(value, list) and isinstance(step, int):
        elements = cast("list[object]", value)
        return elements[step] if step < len(elements) else _MISSING
    return _MISSING
