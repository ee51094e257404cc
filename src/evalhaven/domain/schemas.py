"""Item schemas: JSON Schema, resolved offline only, with a step limit on patterns."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import jsonschema_rs

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonValue, parse
from evalhaven.domain.schema_cost import MAX_APPLIED, is_too_costly

_BACKTRACK_LIMIT = 100_000  # steps of one pattern on one string
_SHOWN_PROBLEMS = 3


class ItemSchema:
    """A compiled item schema."""

    def __init__(self, schema: JsonValue, param: str = "data_source_config.item_schema") -> None:
        """Compile a schema.

        Raises:
            InvalidRequestError: It is no valid JSON Schema, or it refers to a document outside itself, or it
                multiplies its own checks.
        """
        try:
            self._validator = jsonschema_rs.validator_for(
                cast("Any", schema),
                offline=True,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT),
            )
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
        try:
            return self._validator.is_valid(item)
        except UnicodeEncodeError:
            return self.is_valid(_encodable(item))
        except ValueError:  # more levels than the validator takes
            return False

    def problems(self, item: JsonValue) -> Iterator[str]:
        """Yield what is wrong with an item: JSON pointer and message, a few at the most, and whether there is more."""
        try:
            errors = list(islice(self._validator.iter_errors(item), _SHOWN_PROBLEMS + 1))
        except UnicodeEncodeError:
            yield from self.problems(_encodable(item))
            return
        except ValueError as error:
            yield f"(item): {error}"
            return
        for error in errors[:_SHOWN_PROBLEMS]:
            pointer = "".join(f"/{_escaped(step)}" for step in error.instance_path)
            yield f"{pointer or '(item)'}: {_shortened(error.message)}"
        if len(errors) > _SHOWN_PROBLEMS:
            yield "and more"


def _encodable(item: JsonValue) -> JsonValue:
    """Return an item with "?" for its lone surrogates, which JSON allows and the validator cannot take."""
    return parse(json.dumps(item, ensure_ascii=False).encode("utf-8", "replace"))


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


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
