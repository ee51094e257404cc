"""What in an eval's or a run's templates can never resolve, found before anything runs."""

from collections.abc import Iterator

from evalhaven.domain.evals import Caution
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.templates import Placeholder, parse_template


def criteria_cautions(criteria: JsonValue, item_schema: JsonValue) -> list[Caution]:
    """Return a caution for each placeholder of the testing criteria that cannot have a value.

    Args:
        criteria: The `testing_criteria` as sent.
        item_schema: JSON Schema of an item; True where there is none.
    """
    found: list[Caution] = []
    for pointer, text in _criteria_texts(criteria, "/testing_criteria"):
        found.extend(_cautions_of(pointer, text, item_schema, sample_allowed=True))
    return found


def input_message_cautions(data_source: JsonObject, item_schema: JsonValue) -> list[Caution]:
    """Return a caution for each placeholder of a run's input messages that cannot have a value."""
    input_messages = data_source.get("input_messages")
    if not isinstance(input_messages, dict):
        return []
    found: list[Caution] = []
    for pointer, text in _texts(input_messages.get("template"), "/data_source/input_messages/template"):
        found.extend(_cautions_of(pointer, text, item_schema, sample_allowed=False))
    return found


def _criteria_texts(criteria: JsonValue, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield pointer and text of each template; names, labels, models and source code are none."""
    named = (
        criteria.items() if isinstance(criteria, dict) else enumerate(criteria) if isinstance(criteria, list) else ()
    )
    for key, criterion in named:
        if isinstance(criterion, dict):
            at = f"{pointer}/{_escaped(key)}"
            yield from _texts(criterion.get("input"), f"{at}/input")
            yield from _texts(criterion.get("reference"), f"{at}/reference")
            yield from _criteria_texts(criterion.get("graders"), f"{at}/graders")


def _texts(value: JsonValue, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, f"{pointer}/{_escaped(key)}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _texts(member, f"{pointer}/{index}")


def _cautions_of(pointer: str, text: str, item_schema: JsonValue, *, sample_allowed: bool) -> Iterator[Caution]:
    for placeholder in parse_template(text).placeholders:
        problem = _problem(placeholder, item_schema, sample_allowed=sample_allowed)
        if problem is not None:
            yield Caution(pointer, f"{{{{ {placeholder.text} }}}} never resolves: {problem}")


def _problem(placeholder: Placeholder, item_schema: JsonValue, *, sample_allowed: bool) -> str | None:
    if placeholder.path is None:
        return 'only plain paths are supported, such as item.name, item.list[0] or item["a b"]; no calls or filters.'
    if placeholder.root == "sample":
        return None if sample_allowed else "'sample' does not exist before the model has answered; use 'item'."
    schema = item_schema
    for step in placeholder.path:
        if not isinstance(schema, dict) or not isinstance(step, str):
            return None
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        is_closed = schema.get("additionalProperties") is False and not (
            schema.keys() & {"patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if"}
        )
        if step not in known:
            fields = ", ".join(sorted(known)) or "none"
            return f"the item schema has no field {step!r} (it has: {fields})." if is_closed else None
        schema = known[step]
    return None


def _escaped(key: str | int) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
