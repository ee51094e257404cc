"""Parsing of request documents: from decoded JSON to a wire model, or to one refusal a user can act on."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from evalhaven.wire.contract import FAULT, TAG_PREFIX, UNKNOWN_CHOICE, WireModel

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_SHOWN_VALUE_CHARS = 80

_EXPECTED_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "list_type": "an array",
}

_RULES = {
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}

_LENGTH_RULES = {
    "too_long": "must have at most {max_length} entries, but has {actual_length}",
    "too_short": "must have at least {min_length} entry, but has {actual_length}",
}

# To isinstance, a boolean is an integer, so it comes first.
_TYPE_NAMES = (
    (bool, "a boolean"),
    (str, "a string"),
    (int, "an integer"),
    (float, "a number"),
    (list, "an array"),
)


class RequestError(ValueError):
    """Refuse a request document.

    Attributes:
        message: A sentence that names the parameter, what is wrong and what is allowed.
        param: Dotted path with indexes, such as `testing_criteria[0].operation`; None for the whole body.
    """

    def __init__(self, message: str, param: str | None = None) -> None:
        """Hold the sentence and the path; anything that is not valid Unicode is escaped."""
        self.message = _make_encodable(message)
        self.param = None if param is None else _make_encodable(param)
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Name a key that no model knows.

    Attributes:
        path: The keys and indexes that lead to it, itself included.
        known: The keys that its object may have.
    """

    path: tuple[str | int, ...]
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Say what is wrong with a document.

    Attributes:
        path: The keys and indexes that lead to the place.
        complaint: What is wrong with it: a sentence without its subject.
    """

    path: tuple[str | int, ...]
    complaint: str

    @property
    def message(self) -> str:
        """Return the sentence, whose subject is the path."""
        return _refuse(self.path, self.complaint).message


@dataclass(frozen=True)
class ParsedRequest(Generic[M]):
    """Hold an accepted request document.

    Attributes:
        body: The document as a model.
        unknown: JSON Pointers (RFC 6901) of the keys no model knows, in document order of each object;
            keys inside open objects (tools, content parts, metadata, schemas, extensions) are not among them.
    """

    body: M
    unknown: tuple[str, ...]


def parse_request(model: type[M], document: object) -> ParsedRequest[M]:
    """Check a decoded JSON document against a request model.

    Args:
        model: The request model, such as `CreateEvalRequest`.
        document: What a JSON decoder returned: dicts, lists, strings, numbers, booleans, None.

    Raises:
        RequestError: The document is not an object, or does not fit the model; the message has the first cause.
    """
    if not isinstance(document, Mapping):
        raise RequestError("The request body must be a JSON object.")
    try:
        body = model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _explain(first, cast("object", document)) from None
    return ParsedRequest(body=body, unknown=tuple(find_unknown_keys(body)))


def parse_part(kind: TypeAdapter[T], document: object) -> T:
    """Check a part of an object, such as the `data_source` of a run, against the models that it may have.

    Args:
        kind: Those models.
        document: What a JSON decoder returned.

    Raises:
        RequestError: The part fits none of them; the message has the first cause, with the place inside the part.
    """
    try:
        return kind.validate_python(document)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False)[0], document) from None


def find_faults(kind: TypeAdapter[T], document: object) -> list[Fault]:
    """Return all that keeps a document from being read: of each list that is checked to its first fault, that one.

    Args:
        kind: The models that the document may have.
        document: What a JSON decoder returned.
    """
    try:
        kind.validate_python(document)
    except ValidationError as error:
        return [_fault_of(each, document) for each in error.errors(include_url=False)]
    return []


def find_unknown_keys(body: BaseModel, pointer: str = "") -> Iterator[str]:
    """Yield the JSON Pointer of every key in a parsed document that its models do not know.

    Args:
        body: The parsed document or a part of it.
        pointer: The place of that part, "" for the document itself.
    """
    for each in find_unknown(body):
        yield pointer + "".join(f"/{_escape_pointer(str(step))}" for step in each.path)


def find_unknown(body: BaseModel, path: tuple[str | int, ...] = ()) -> Iterator[UnknownKey]:
    """Yield every key in a parsed document that its models do not know.

    Args:
        body: The parsed document or a part of it.
        path: The place of that part.
    """
    fields = type(body).model_fields
    is_open = isinstance(body, WireModel) and body.open_object
    if not is_open and body.model_extra:
        known = tuple(field.alias or name for name, field in fields.items())
        for key in body.model_extra:
            yield UnknownKey((*path, key), known)
    for name, field in fields.items():
        if name in body.model_fields_set:
            yield from _find_in_value(getattr(body, name), (*path, field.alias or name))


def _find_in_value(value: object, path: tuple[str | int, ...]) -> Iterator[UnknownKey]:
    # Plain dicts and lists hold models only where a model declares it, so free JSON costs
    # one look at each of its direct members and no descent.
    if isinstance(value, BaseModel):
        yield from find_unknown(value, path)
    elif isinstance(value, list):
        for index, entry in enumerate(cast("list[object]", value)):
            if isinstance(entry, BaseModel):
                yield from find_unknown(entry, (*path, index))
    elif isinstance(value, dict):
        for key, entry in cast("dict[str, object]", value).items():
            if isinstance(entry, BaseModel):
                yield from find_unknown(entry, (*path, key))


def format_param(path: tuple[str | int, ...]) -> str | None:
    """Write a path as error bodies do: `testing_criteria[0].operation`; None for the empty path."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text or None


def _explain(error: ErrorDetails, document: object) -> RequestError:
    found = _fault_of(error, document)
    return _refuse(found.path, found.complaint)


def _fault_of(error: ErrorDetails, document: object) -> Fault:
    path = _drop_tags(error["loc"], document)
    context: Mapping[str, object] = error.get("ctx", {})
    kind, given = error["type"], cast("object", error["input"])
    if kind == FAULT:
        return Fault(path + cast("tuple[str | int, ...]", context["at"]), str(context["message"]))
    if kind == UNKNOWN_CHOICE:
        return _explain_choice(path, given, str(context["key"]), str(context["cure"]))
    if kind == "missing":
        return Fault(path, "is required but missing")
    if kind == "string_unicode":
        return Fault(path, f"holds text that is not valid Unicode, {_describe(given)}")
    return Fault(path, _describe_rule(kind, given, context))


def _describe_rule(kind: str, given: object, context: Mapping[str, object]) -> str:
    if kind in _EXPECTED_TYPES:
        return f"must be {_EXPECTED_TYPES[kind]}, but is {_describe(given)}"
    if kind in _RULES:
        return f"{_RULES[kind].format_map(context)}, but is {_describe(given)}"
    if kind in _LENGTH_RULES:
        return _LENGTH_RULES[kind].format_map(context)
    return f"has an invalid value, {_describe(given)}"


def _explain_choice(path: tuple[str | int, ...], given: object, key: str, cure: str) -> Fault:
    if not key:
        return Fault(path, f"must be {cure}, but is {_describe(given)}")
    if not isinstance(given, Mapping):
        return Fault(path, f"must be an object whose '{key}' is {cure}, but is {_describe(given)}")
    chosen = cast("Mapping[str, object]", given)
    path += (key,)
    if chosen.get(key) is None:
        return Fault(path, f"is required and must be {cure}")
    return Fault(path, f"must be {cure}, but is {_describe(chosen[key])}")


def _refuse(path: tuple[str | int, ...], complaint: str) -> RequestError:
    param = format_param(path)
    subject = "The request body" if param is None else f"'{param}'"
    return RequestError(f"{subject} {complaint}.", param)


def _drop_tags(location: tuple[str | int, ...], document: object) -> tuple[str | int, ...]:
    path: tuple[str | int, ...] = ()
    here = document
    for step in location:
        inside = _step_into(here, step)
        # A user's own key may look like a tag, but then the document has it.
        if inside is None and isinstance(step, str) and step.startswith(TAG_PREFIX):
            continue
        here = inside
        path += (step,)
    return path


def _step_into(value: object, step: str | int) -> object:
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get(step)
    if isinstance(value, list) and isinstance(step, int):
        return cast("list[object]", value)[step]
    return None


def _describe(value: object) -> str:
    if value is None:
        return "null"
    name = next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), "an object")
    # Integers beyond the interpreter's digit limit cannot be written out.
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return name
    return f"{name}: {text if len(text) <= _SHOWN_VALUE_CHARS else text[:_SHOWN_VALUE_CHARS] + '…'}"


def _escape_pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _make_encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
