"""The `metadata` that evals and runs carry, with its limits, and the `metadata` that selects logged calls."""

from typing import Annotated, cast

from pydantic import BeforeValidator, WithJsonSchema

from evalhaven.wire.contract import JsonObject, fault

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY_CHARS = 64
MAX_METADATA_VALUE_CHARS = 512


def _check_metadata(value: object) -> object:
    # Checked here rather than by pydantic's types, so that an error can name the key at fault.
    if not isinstance(value, dict):
        return value
    pairs = cast("dict[object, object]", value)
    if len(pairs) > MAX_METADATA_PAIRS:
        raise fault(f"must have at most {MAX_METADATA_PAIRS} pairs, but has {len(pairs)}")
    for key, text in pairs.items():
        if not isinstance(key, str):
            raise fault("must have strings as keys")
        if len(key) > MAX_METADATA_KEY_CHARS:
            raise fault(
                f"has a key of {len(key)} characters; shorten the key {key!r} to at most {MAX_METADATA_KEY_CHARS}"
            )
        if not isinstance(text, str):
            raise fault(f"must be a string, as every metadata value (key {key!r})", key)
        if len(text) > MAX_METADATA_VALUE_CHARS:
            raise fault(
                f"has {len(text)} characters, but a metadata value may have "
                f"at most {MAX_METADATA_VALUE_CHARS} (key {key!r})",
                key,
            )
    return pairs


Metadata = Annotated[
    dict[str, str] | None,
    BeforeValidator(_check_metadata),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "additionalProperties": {"type": "string", "maxLength": MAX_METADATA_VALUE_CHARS},
                    "propertyNames": {"maxLength": MAX_METADATA_KEY_CHARS},
                    "maxProperties": MAX_METADATA_PAIRS,
                },
                {"type": "null"},
            ]
        }
    ),
]
"""Up to 16 pairs of strings, keys of up to 64 and values of up to 512 characters, or null.

Published schema Metadata.
"""

MetadataFilter = JsonObject | None
"""What logged calls have to carry as `metadata`: keys and values of any JSON type, or null."""
