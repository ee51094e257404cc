"""Item schemas: JSON Schema, resolved offline only, with a step limit on patterns."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import jsonschema_rs

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.json_pointer import pointer_to
from evalhaven.domain.jsontext import JsonValue, parse
from evalhaven.domain.loose_schemas import loosened
from evalhaven.domain.schema_cost import MAX_APPLIED, is_too_costly

_BACKTRACK_LIMIT = 100_000  # steps of one pattern on one string
_SHOWN_PROBLEMS = 3


class ItemSchema:
    """A compiled item schema."""

    def __init__(self, schema: JsonValue, param: str = "data_source_config.item_schema") -> None:
        """Compile a schema.

        Raises:
            InvalidRequestError: The schema is not a valid JSON Schema, refers to a document outside itself, or
                multiplies its own checks.
        """
        self._schema = schema
        self._loose_validator: jsonschema_rs.Validator | None = None
        try:
            self._validator = _compiled(schema)
        except (
            jsonschema_rs.ValidationError,
            jsonschema_rs.ReferencingError,
            ValueError,
            RecursionError,
        ) as error:
            raise InvalidRequestError(_explained(error, param), param=param) from error
        if is_too_costly(schema):
            raise InvalidRequestError(
                f"'{param}' applies more than {MAX_APPLIED:,} subschemas to one value; refer to each once.", param=param
            )

    def is_valid(self, item: JsonValue) -> bool:
        """Tell whether an item satisfies the schema."""
        return _is_valid(self._validator, item)

    def is_loosely_valid(self, item: JsonValue) -> bool:
        """Tell whether an item would satisfy the schema if `string` stood for booleans, numbers and null too.

        A place with an `enum`, a `const` or a `pattern` stays strict.
        """
        if self._loose_validator is None:
            try:
                self._loose_validator = _compiled(loosened(self._schema))
            except (jsonschema_rs.ReferencingError, ValueError):  # it refers to a place that only the strict schema has
                self._loose_validator = self._validator
        return _is_valid(self._loose_validator, item)

    def first_fault(self, item: JsonValue) -> str:
        """Return the JSON pointer of the first place where an item does not satisfy the schema."""
        try:
            error = next(self._validator.iter_errors(item), None)
        except UnicodeEncodeError:
            return self.first_fault(_encodable(item))
        return "" if error is None else pointer_to(error.instance_path)

    def problems(self, item: JsonValue) -> Iterator[str]:
        """Yield what is wrong with an item: JSON pointer and message, at most a few, and whether there is more."""
        try:
            errors = list(islice(self._validator.iter_errors(item), _SHOWN_PROBLEMS + 1))
        except UnicodeEncodeError:
            yield from self.problems(_encodable(item))
            return
        except ValueError as error:
            yield f"(item): {error}"
            return
        for error in errors[:_SHOWN_PROBLEMS]:
            yield f"{pointer_to(error.instance_path) or '(item)'}: {_shortened(error.message)}"
        if len(errors) > _SHOWN_PROBLEMS:
            yield "and more"


def _compiled(schema: JsonValue) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        cast("Any", schema),
        offline=True,
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT),
    )


def _is_valid(validator: jsonschema_rs.Validator, item: JsonValue) -> bool:
    try:
        return validator.is_valid(item)
    except UnicodeEncodeError:
        return _is_valid(validator, _encodable(item))
    except ValueError:  # more levels than the validator accepts
        return False


def _encodable(item: JsonValue) -> JsonValue:
    """Return an item with "?" for its lone surrogates, which JSON allows but the validator does not."""
    return parse(json.dumps(item, ensure_ascii=False).encode("utf-8", "replace"))


def _shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


def _explained(error: Exception, param: str) -> str:
    reason = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
    if "is not present in a registry" in reason or "Unknown meta-schema" in reason:
        return (
            f"'{param}' refers to a schema outside itself, which is never fetched. "
            "Put what it refers to under '$defs' and use '#/$defs/…'."
        )
    return f"'{param}' is not a valid JSON Schema: {_shortened(reason)}"
