"""Fields of items by the names that people give them."""

from collections.abc import Sequence

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.templates import Placeholder, parse_template


class MissingFieldError(LookupError):
    """An item has no such field."""


class Field:
    """A field of items, or of an object or list within them.

    It is named as in templates, without the braces: `item.topic`, `item.meta.language`, `item["a.b"][0]`. `item.` may
    be left out, and a name that itself has dots is found as well.
    """

    def __init__(self, name: str) -> None:
        """Take a name as it was given; whatever it is, some item may have such a field."""
        self.name = name
        self._placeholder = _placeholder_of(name)

    def value_in(self, item: JsonValue) -> JsonValue:
        """Return the value of the field in an item.

        Raises:
            MissingFieldError: The item has no such field.
        """
        for name in (self.name, self.name.removeprefix("item.")):
            try:
                return _named(item, name)
            except MissingFieldError:
                continue
        if self._placeholder is not None:
            try:
                return self._placeholder.get_value({"item": item})
            except LookupError:
                pass
        raise MissingFieldError(self.name)


def places_of(values: Sequence[JsonValue], text: str) -> list[int]:
    """Return the 1-based places of the values that a text names: a string as it is, anything else as JSON.

    JavaScript writes 1.0 as 1, and 1e21 as 1e+21: where nothing is written like that, numbers with a fraction are
    compared as numbers.
    """
    exact = [place for place, value in enumerate(values, 1) if text == _as_written(value)]
    return exact or [place for place, value in enumerate(values, 1) if isinstance(value, float) and _means(text, value)]


def _as_written(value: JsonValue) -> str:
    return value if isinstance(value, str) else jsontext.render(value)


def _means(text: str, value: float) -> bool:
    try:
        return float(text) == value
    except ValueError:
        return False


def _named(value: JsonValue, name: str) -> JsonValue:
    """Return what a name means: a key, else keys within each other with dots between."""
    while isinstance(value, dict):
        if name in value:
            return value[name]
        first, dot, name = name.partition(".")
        if not dot or first not in value:
            break
        value = value[first]
    raise MissingFieldError(name)


def _placeholder_of(name: str) -> Placeholder | None:
    if "[" not in name:
        return None
    for written in (name, f"item.{name}", f"item{name}"):
        parts = parse_template(f"{{{{ {written} }}}}").parts
        if len(parts) == 1 and isinstance(parts[0], Placeholder) and parts[0].path and parts[0].root == "item":
            return parts[0]
    return None
