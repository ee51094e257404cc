"""Placeholders in an eval's or a run's templates that can never or hardly ever resolve, found before anything runs."""

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from evalhaven.domain.evals import Caution
from evalhaven.domain.grader_parts import Path, walk_criteria
from evalhaven.domain.json_pointer import pointer_to
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.templates import Placeholder, Step, parse_template
from evalhaven.wire.data_sources import CreateEvalJsonlRunDataSource, RunDataSource
from evalhaven.wire.graders import (
    GraderLabelModel,
    GraderMulti,
    GraderPython,
    GraderScoreModel,
    GraderStringCheck,
    GraderTextSimilarity,
    TestingCriterion,
)
from evalhaven.wire.messages import InputMessagesTemplate

MAX_CAUTIONS = 100
_BYTE_ORDER_MARK = "\ufeff"
_SHOWN_FIELDS = 20
_SHOWN_CHARS = 100


def criteria_cautions(criteria: Sequence[TestingCriterion], item_schema: JsonValue) -> list[Caution]:
    """Return a caution for each placeholder of the testing criteria that cannot have a value.

    Args:
        criteria: The `testing_criteria` as sent.
        item_schema: JSON Schema of an item; True if there is none.
    """
    texts = _criteria_texts(criteria)
    return bounded_cautions(
        caution for at, text in texts for caution in _cautions_of(at, text, item_schema, sample_allowed=True)
    )


def input_message_cautions(data_source: RunDataSource, item_schema: JsonValue) -> list[Caution]:
    """Return a caution for each placeholder of a run's input messages that cannot have a value."""
    if isinstance(data_source, CreateEvalJsonlRunDataSource):
        return []
    messages = data_source.input_messages
    if not isinstance(messages, InputMessagesTemplate):
        return []
    texts = _texts([each.sent for each in messages.template], "/data_source/input_messages/template")
    return bounded_cautions(
        caution for at, text in texts for caution in _cautions_of(at, text, item_schema, sample_allowed=False)
    )


def item_key_cautions(item_schema: JsonValue) -> list[Caution]:
    """Return a caution for each key of an item schema that begins with a byte order mark."""
    return bounded_cautions(
        Caution(pointer_to(("data_source_config", "item_schema", *path)), marked_key_problem(str(path[-1])))
        for path in _keys_of(item_schema)
        if is_marked(path[-1])
    )


def is_marked(key: str | int) -> bool:
    """Tell whether a key begins with a byte order mark; some programs save one before a table's first column."""
    return isinstance(key, str) and key.startswith(_BYTE_ORDER_MARK)


def marked_key_problem(key: str) -> str:
    """Return the warning about such a key."""
    shown = _shortened(key)
    return (
        f"The key {shown!r} begins with an invisible byte order mark: {{{{ item.{shown[1:]} }}}} does not find "
        "it. Save the table without it (as UTF-8, not UTF-8 with BOM), or remove it from the key."
    )


def _keys_of(schema: JsonValue, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each property that a schema declares, including those of objects and arrays inside it."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        for key, member in properties.items() if isinstance(properties, dict) else ():
            yield (*path, "properties", key)
            yield from _keys_of(member, (*path, "properties", key))
        yield from _keys_of(schema.get("items"), (*path, "items"))


def bounded_cautions(cautions: Iterator[Caution]) -> list[Caution]:
    """Return the first cautions and a note if there are more: they are part of every answer that shows their object."""
    found = list(islice(cautions, MAX_CAUTIONS))
    if next(cautions, None) is not None:
        found.append(Caution("", f"There are more warnings than these {MAX_CAUTIONS}."))
    return found


def _criteria_texts(criteria: Sequence[TestingCriterion]) -> Iterator[tuple[str, str]]:
    """Yield pointer and text of each template; names, labels, models and source code are not templates."""
    for placed in walk_criteria(criteria):
        match placed.grader:
            case GraderStringCheck() | GraderTextSimilarity() as pair:
                yield pointer_to((*placed.path, "input")), pair.input
                yield pointer_to((*placed.path, "reference")), pair.reference
            case GraderLabelModel() | GraderScoreModel() as judge:
                yield from _texts([each.sent for each in judge.input], pointer_to((*placed.path, "input")))
            case GraderPython() | GraderMulti():
                pass


def _texts(value: JsonValue, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, pointer + pointer_to([key]))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _texts(member, f"{pointer}/{index}")


def _cautions_of(pointer: str, text: str, item_schema: JsonValue, *, sample_allowed: bool) -> Iterator[Caution]:
    for placeholder in parse_template(text).placeholders:
        problem = _problem(placeholder, item_schema, sample_allowed=sample_allowed)
        if problem is not None:
            yield Caution(pointer, f"{{{{ {_shortened(placeholder.text)} }}}} {problem}")


def _problem(placeholder: Placeholder, item_schema: JsonValue, *, sample_allowed: bool) -> str | None:
    """Return the rest of a sentence, begun with a placeholder, on why it has no value; None if it may have one."""
    if placeholder.path is None:
        return (
            "never resolves: only plain paths are supported, such as item.name, item.list[0] or "
            """item["a b"]; no calls or filters."""
        )
    if placeholder.root == "sample" and not sample_allowed:
        return "never resolves: 'sample' does not exist before the model has answered; use 'item'."
    unknown, fields = _unknown_steps(placeholder.path, item_schema if placeholder.root == "item" else True)
    if fields is not None:
        missing = _shortened(str(unknown[0]))
        return f"never resolves: the item schema has no field {missing!r} (it has: {_listed(fields)})."
    return _spaced_problem(placeholder, unknown)


def _unknown_steps(path: Sequence[Step], schema: JsonValue) -> tuple[Sequence[Step], Collection[str] | None]:
    """Return the steps that a schema does not describe, and its fields if it allows no others there."""
    for number, step in enumerate(path):
        if not isinstance(schema, dict) or not isinstance(step, str):
            return path[number:], None
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        if step not in known:
            is_closed = schema.get("additionalProperties") is False and not (
                schema.keys() & {"patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if"}
            )
            return path[number:], known if is_closed else None
        schema = known[step]
    return (), None


def _spaced_problem(placeholder: Placeholder, unknown: Sequence[Step]) -> str | None:
    """Return the warning that a name with spaces is taken only as a key, if the schema does not declare it."""
    name = next((step for step in unknown if step in placeholder.spaced), None)
    if name is None:
        return None
    shown = _shortened(str(name))
    return (
        f"resolves only if there is a key {shown!r}, exactly: calls, filters and operators are not supported. "
        f"If that is the key, write {json.dumps([shown], ensure_ascii=False)} instead."
    )


def _listed(fields: Collection[str]) -> str:
    shown = [_shortened(name) for name in sorted(fields)[:_SHOWN_FIELDS]]
    return ", ".join([*shown, "…"] if len(fields) > _SHOWN_FIELDS else shown) or "none"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
