"""JSON with gaps: what all items share is written once, and the rest is filled in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.templates import Template, parse_template

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Gap:
    """The place of a rendered text; `number` is its template's."""

    number: int


Tree = None | bool | int | float | str | Gap | list["Tree"] | dict[str, "Tree"]
"""A JSON value with gaps instead of texts."""


class TemplateTable:
    """The texts with placeholders of some messages, each one once."""

    def __init__(self) -> None:
        self.templates: list[Template] = []
        self._numbers: dict[str, int] = {}

    def tree(self, value: JsonValue) -> Tree:
        """Return a value with gaps instead of its texts with placeholders."""
        if isinstance(value, dict):
            return {key: self.tree(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.tree(inner) for inner in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str | Gap:
        """Return a text, or a gap for one with placeholders."""
        if text not in self._numbers:
            template = parse_template(text)
            if not template.placeholders:
                return text
            self._numbers[text] = len(self.templates)
            self.templates.append(template)
        return Gap(self._numbers[text])


def encode_json(value: object) -> bytes:
    """Return the JSON of a value; lone surrogates become escapes."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def json_pieces(tree: Tree) -> list[bytes | Gap]:
    """Return the JSON of a tree, in pieces around its gaps."""
    if isinstance(tree, Gap):
        return [tree]
    if isinstance(tree, dict):
        pieces: list[bytes | Gap] = []
        for key, inner in tree.items():
            pieces += [b"," if pieces else b"{", encode_json(key), b":", *json_pieces(inner)]
        return [*pieces, b"}"] if pieces else [b"{}"]
    if isinstance(tree, list):
        pieces = []
        for inner in tree:
            pieces += [b"," if pieces else b"[", *json_pieces(inner)]
        return [*pieces, b"]"] if pieces else [b"[]"]
    return [encode_json(tree)]


def fill(tree: Tree, texts: Sequence[str]) -> JsonValue:
    """Return a tree with each gap filled by the text of its template.

    Args:
        tree: What is to be filled.
        texts: The rendered texts, by the numbers of their templates.
    """
    if isinstance(tree, Gap):
        return texts[tree.number]
    if isinstance(tree, dict):
        return {key: fill(inner, texts) for key, inner in tree.items()}
    if isinstance(tree, list):
        return [fill(inner, texts) for inner in tree]
    return tree
