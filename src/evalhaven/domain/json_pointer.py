"""JSON pointers (RFC 6901)."""

from collections.abc import Iterable
from typing import cast

from evalhaven.domain.jsontext import JsonValue


def value_at(root: JsonValue, pointer: str) -> JsonValue:
    """Return the value at a pointer such as `/$defs/answer`; None if it leads nowhere."""
    value = root
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = cast("list[JsonValue]", value)[int(name)]
        else:
            return None
    return value


def pointer_to(path: Iterable[str | int]) -> str:
    """Return the pointer made of keys and indexes, such as `/items/0`; "" for the root."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
