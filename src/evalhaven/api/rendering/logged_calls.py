"""What stored chat completions and responses have in common on the wire."""

from collections.abc import Iterable

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import LoggedCall


def call_extension(call: LoggedCall, *, is_pending: bool) -> JsonObject:
    """Return the `evalhaven` key of a logged call."""
    return {
        **({"pending": True} if is_pending else {}),
        "asked_model": call.asked_model,
        "first_byte_ms": call.first_byte_ms,
        "latency_ms": call.latency_ms,
    }


def first_known(values: Iterable[JsonValue]) -> JsonValue:
    """Return the first value that is not null, or null."""
    return next((value for value in values if value is not None), None)


def time_of(value: JsonValue, call: LoggedCall) -> int:
    """Return the Unix second of creation that a reply tells, or else the one at which the call was made."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else call.created_at


def objects_in(value: JsonValue) -> list[JsonValue]:
    """Return the objects of an array; none if the value is no array."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text_or_null(value: JsonValue) -> str | None:
    """Return a text, or null for anything else."""
    return value if isinstance(value, str) else None


def object_or_null(value: JsonValue) -> JsonObject | None:
    """Return an object, or null for anything else."""
    return value if isinstance(value, dict) else None
