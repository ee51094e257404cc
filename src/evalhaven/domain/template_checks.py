"""What in an eval's or a run's templates can never resolve, found before anything runs."""

from collections.abc import Collection, Iterator
from itertools import islice

from evalhaven.domain.evals import Caution
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.templates import Placeholder, parse_template

MAX_CAUTIONS = 100
_SHOWN_FIELDS = 20
_SHOWN_CHARS = 100


def criteria_cautions(criteria: JsonValue, item_schema: JsonValue) -> list[Caution]:
    """Return a caution for each placeholder of the testing criteria that cannot have a value.

    Args:
        criteria: The `testing_criteria` as sent.
        item_schema: JSON Schema of an item; True where there is none.
    """
    texts = _criteria_texts(criteria, "/testing_criteria")
    return bounded_cautions(
        caution for at, text in texts for caution in _cautions_of(at, text, item_schema, sample_allowed=True)
    )


def input_message_cautions(data_source: JsonObject, item_schema: JsonValue) -> list[Caution]:
    """Return a caution for each placeholder of a run's input messages that cannot have a value."""
    input_messages = data_source.get("input_messages")
    if not isinstance(input_messages, dict):
        return []
    texts = _texts(input_messages.get("template"), "/data_source/input_messages/template")
    return bounded_cautions(
        caution for at, text in texts for caution in _cautions_of(at, text, item_schema, sample_allowed=False)
    )


def bounded_cautions(cautions: Iterator[Caution]) -> list[Caution]:
    """Return the first cautions and whether there are more: they are answered with their object every time."""
    found = list(islice(cautions, MAX_CAUTIONS))
    if next(cautions, None) is not None:
        found.append(Caution("", f"There are more warnings than these {MAX_CAUTIONS}."))
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
            graders = criterion.get("graders")
            if isinstance(graders, dict) and isinstance(graders.get("type"), str):
                yield from _texts(graders.get("input"), f"{at}/graders/input")
                yield from _texts(graders.get("reference"), f"{at}/graders/reference")
            else:
                yield from _criteria_texts(graders, f"{at}/graders")


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
            yield Caution(pointer, f"{{{{ {_shortened(placeholder.text)} }}}} never resolves: {problem}")


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
            return (
                f"the item schema has no field {_shortened(step)!r} (it has: {_listed(known)})." if is_closed else None
            )
        schema = known[step]
    return None


def _listed(fields: Collection[str]) -> str:
    shown = [_shortened(name) for name in sorted(fields)[:_SHOWN_FIELDS]]
    return ", ".join([*shown, "…"] if len(fields) > _SHOWN_FIELDS else shown) or "none"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _escaped(key: str | int) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
