"""What a column of an export holds, and which columns there are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.sample_forms import text_of
from evalhaven.domain.samples import ItemError

Kind = Literal["text", "integer", "number", "boolean", "any"]
"""What the values of a column are, None apart; `any` where they may be anything."""

ITEM = "item"
USUAL = "*"
"""Stands for the columns of an export that names none."""

_OF_ITEM = "item."
_OF_RESULT = "results."
_LABELLING = "label_model"
_KIND_OF_TYPE: dict[str, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}


class ExportedItem:
    """An output item whose values are looked up by columns."""

    def __init__(self, item: OutputItem) -> None:
        """Wrap an output item."""
        self.item = item

    @cached_property
    def fields(self) -> JsonValue:
        """Return the item itself, parsed."""
        try:
            return parse(self.item.item_text)
        except InvalidJsonError:  # an imported item, kept as it came
            return None

    @property
    def error(self) -> ItemError | None:
        """Return the item's error or, failing that, the first of a grade."""
        own = self.item.sample.error
        return own or next((grade.error for grade in self.item.grades if grade.error is not None), None)

    @property
    def output_text(self) -> str | None:
        """Return the text of the first message that was answered."""
        first = next((each for each in self.item.sample.output if isinstance(each, dict)), None)
        return None if first is None else text_of(first)

    @property
    def judge_cost(self) -> float | None:
        """Return the dollars of the calls to judges; None if there is none, or any has no price."""
        calls = [call for grade in self.item.grades for call in grade.calls if not call.is_cached]
        costs = [call.cost for call in calls if call.cost is not None]
        return sum(costs) if calls and len(costs) == len(calls) else None

    def grade(self, number: int) -> Grade | None:
        """Return the grade of a criterion; None if there is none."""
        grade = self.item.grades[number] if number < len(self.item.grades) else None
        return None if grade is None or grade.is_absent else grade


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, what its values are, and how one is found."""

    name: str
    kind: Kind
    value: Callable[[ExportedItem], JsonValue]


def _sampled(value: Callable[[OutputItem], JsonValue]) -> Callable[[ExportedItem], JsonValue]:
    return lambda exported: value(exported.item)


_FIXED = (
    Column("datasource_item_id", "integer", _sampled(lambda item: item.position)),
    Column("repeat", "integer", _sampled(lambda item: item.repeat)),
    Column("id", "text", _sampled(lambda item: item.id)),
    Column("created_at", "integer", _sampled(lambda item: item.created_at)),
    Column("status", "text", _sampled(lambda item: item.status.wire)),
    Column("score", "number", _sampled(lambda item: item.score)),
    Column(ITEM, "any", lambda exported: exported.fields),
    Column("output_text", "text", lambda exported: exported.output_text),
    Column("finish_reason", "text", _sampled(lambda item: item.sample.finish_reason or None)),
    Column("model", "text", _sampled(lambda item: item.sample.model or None)),
    Column("error.code", "text", lambda exported: None if exported.error is None else exported.error.code),
    Column("error.message", "text", lambda exported: None if exported.error is None else exported.error.message),
    Column("latency_ms", "integer", _sampled(lambda item: item.sample.latency_ms)),
    Column("prompt_tokens", "integer", _sampled(lambda item: item.sample.usage.prompt_tokens)),
    Column("completion_tokens", "integer", _sampled(lambda item: item.sample.usage.completion_tokens)),
    Column("total_tokens", "integer", _sampled(lambda item: item.sample.usage.total_tokens)),
    Column("cost", "number", _sampled(lambda item: item.sample.cost)),
    Column("judge_cost", "number", lambda exported: exported.judge_cost),
)
_BEFORE_ITEM = ("datasource_item_id", "repeat", "status", "score")
_AFTER_RESULTS = (
    "error.code",
    "error.message",
    "latency_ms",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cost",
    "judge_cost",
    "id",
)


class KnownColumns:
    """The columns that an export of one run can have."""

    def __init__(self, criteria: Criteria, parent: Eval) -> None:
        """Look at the criteria of a run, and at the fields that its eval names."""
        self._fixed = {column.name: column for column in _FIXED}
        self._results: dict[str, Column] = {}
        self._usual_results: list[str] = []
        taken: set[str] = set()
        for number, criterion in enumerate(criteria):
            name = _unused(criterion.name, taken)
            of_criterion = list(_columns_of_result(name, number))
            self._results.update({column.name: column for column in of_criterion})
            most = 3 if criterion.type == _LABELLING else 2
            self._usual_results += [column.name for column in of_criterion[:most]]
        self._schema = parent.item_schema

    @property
    def schema_fields(self) -> list[str]:
        """Return the fields of items that the item schema names."""
        return list(_properties(self._schema))

    def usual(self, fields: Iterable[str], *, with_item: bool) -> list[Column]:
        """Return the columns of an export that names none.

        Args:
            fields: Fields of the items.
            with_item: Whether there is a column for the item as a whole, too.
        """
        names = [
            *_BEFORE_ITEM,
            *([ITEM] if with_item else []),
            *(f"{_OF_ITEM}{field}" for field in fields),
            "output_text",
            *self._usual_results,
            *_AFTER_RESULTS,
        ]
        return [self._get(name) for name in names]

    def named(self, given: Sequence[str], usual: Sequence[Column] = ()) -> list[Column]:
        """Return the columns of these names; a text may hold some with commas between.

        Args:
            given: The names.
            usual: What `*` stands for.

        Raises:
            InvalidRequestError: There is no such column.
        """
        found: dict[str, Column] = {}
        for text in given:
            whole = self._find(text.strip())
            names = [name.strip() for name in text.split(",") if name.strip()]
            parts = [whole] if whole is not None else [self._get(name) for name in names if name != USUAL]
            if whole is None and USUAL in names:
                parts = [*usual, *parts]
            found.update({column.name: column for column in parts})
        if not found:
            raise InvalidRequestError("'columns' names no column.", param="columns", code="invalid_value")
        return list(found.values())

    def _get(self, name: str) -> Column:
        found = self._find(name) or (self._field(name) if name.startswith(_OF_ITEM) else None)
        if found is None:
            known = ", ".join([*self._fixed, f"{_OF_ITEM}FIELD", *self._results])
            raise InvalidRequestError(
                f"There is no column {name!r}; there are {known}.", param="columns", code="invalid_value"
            )
        return found

    def _find(self, name: str) -> Column | None:
        """Return a column by its whole name, commas included; fields of items only if the item schema names them."""
        if name.startswith(_OF_ITEM) and name.removeprefix(_OF_ITEM) in _properties(self._schema):
            return self._field(name)
        return self._fixed.get(name) or self._results.get(name)

    def _field(self, name: str) -> Column:
        path = name.removeprefix(_OF_ITEM)
        return Column(name, _kind_of_field(self._schema, path), lambda exported: _value_at(exported.fields, path))


def _unused(name: str, taken: set[str]) -> str:
    """Return the name of a criterion, with a number if an earlier one is called the same."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}#{number}"
    taken.add(found)
    return found


def _columns_of_result(name: str, number: int) -> Iterable[Column]:
    def of_grade(value: Callable[[Grade], Any]) -> Callable[[ExportedItem], JsonValue]:
        def find(exported: ExportedItem) -> JsonValue:
            grade = exported.grade(number)
            return None if grade is None else value(grade)

        return find

    prefix = f"{_OF_RESULT}{name}."
    yield Column(f"{prefix}passed", "boolean", of_grade(lambda grade: None if grade.error else grade.passed))
    yield Column(f"{prefix}score", "number", of_grade(lambda grade: None if grade.error else grade.score))
    yield Column(f"{prefix}label", "text", of_grade(_label))
    yield Column(f"{prefix}error", "text", of_grade(lambda grade: grade.error.message if grade.error else None))


def _label(grade: Grade) -> str | None:
    label = (grade.judge or {}).get("result")
    return label if isinstance(label, str) else None


def _properties(schema: JsonValue) -> JsonObject:
    found = schema.get("properties") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


def _kind_of_field(schema: JsonValue, path: str) -> Kind:
    """Return what the item schema says of a field; rows may still hold something else if they were imported."""
    found = schema
    for step in (path,) if path in _properties(schema) else path.split("."):
        found = _properties(found).get(step)
    given = found.get("type") if isinstance(found, dict) else None
    types = [each for each in (given if isinstance(given, list) else [given]) if each != "null"]
    return _KIND_OF_TYPE.get(types[0], "any") if len(types) == 1 and isinstance(types[0], str) else "any"


def _value_at(value: JsonValue, path: str) -> JsonValue:
    """Return what an item holds at a path; a key with dots in it wins over a path through objects."""
    if isinstance(value, dict) and path in value:
        return value[path]
    for step in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value
