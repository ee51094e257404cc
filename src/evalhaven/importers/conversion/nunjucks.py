"""The templates of promptfoo, as far as they only name variables: as templates of ours, or rendered with known values.

Values become texts as they do in JavaScript: 5.0 is `5`, nothing is empty, and a list is its elements with commas.
"""

import re
from collections.abc import Callable, Mapping

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.importers.conversion.made import ConversionError

_TAG = re.compile(r"\{\{(?P<name>.*?)\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_PATH = re.compile(
    r"(?P<root>[A-Za-z_$][\w$]*)(?P<rest>(?:\.[A-Za-z_$][\w$]*|\[\d+\]|\[\"[^\"\\]*\"\]|\['[^'\\]*'\])*)"
)
_STEP = re.compile(r"\.([A-Za-z_$][\w$]*)|\[(\d+)\]|\[\"([^\"\\]*)\"\]|\['([^'\\]*)'\]")
_FILTERS: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "trim": lambda text: text.strip(),
    "safe": lambda text: text,
}
_RESERVED = frozenset({"env", "_conversation", "sessionId"})
_PLAIN_BELOW = 1e21  # from here on, JavaScript writes an exponent
MOST_SHOWN = 60


def names_in(text: str) -> list[str]:
    """Return the variables that a text names.

    Raises:
        ConversionError: It does more than to name variables.
    """
    return list(dict.fromkeys(_parsed(found)[0] for found in _tags(text)))


def has_tags(text: str) -> bool:
    """Tell whether a text is more than itself."""
    return _TAG.search(text) is not None


def to_template(text: str) -> str:
    """Return a text as a template of ours, whose variables are fields of the item.

    Raises:
        ConversionError: It does more than to name variables.
    """

    def named(found: re.Match[str]) -> str:
        root, rest, filters = _parsed(found)
        if [each for each in filters if each != "safe"]:
            raise ConversionError(f"templates have no filters here: {_shown(found.group())}")
        return f"{{{{ item.{root}{rest} }}}}"

    for _ in _tags(text):
        pass
    return _TAG.sub(named, text)


def render(text: str, values: Mapping[str, JsonValue]) -> str:
    """Return a text with its variables replaced; one without a value is empty.

    Raises:
        ConversionError: It does more than to name variables and to apply a few filters.
    """

    def rendered(found: re.Match[str]) -> str:
        root, rest, filters = _parsed(found)
        value: JsonValue = values.get(root)
        for step in _STEP.finditer(rest):
            value = _step_into(value, step)
        for name in filters:
            value = jsontext.render(value) if name == "dump" else _FILTERS[name](js_text(value))
        return js_text(value)

    for _ in _tags(text):
        pass
    return _TAG.sub(rendered, text)


def js_text(value: JsonValue) -> str:
    """Return the text that a value becomes in a template."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _PLAIN_BELOW:
            return str(int(value))
        case list():
            return ",".join(js_text(each) for each in value)
        case dict():
            return "[object Object]"
        case _:
            return str(value)


def _tags(text: str) -> list[re.Match[str]]:
    found = list(_TAG.finditer(text))
    for each in found:
        if each["name"] is None:
            raise ConversionError(f"templates only name values here: {_shown(each.group())}")
        _parsed(each)
    return found


def _parsed(found: re.Match[str]) -> tuple[str, str, list[str]]:
    expression, *filters = [part.strip() for part in (found["name"] or "").split("|")]
    path = _PATH.fullmatch(expression)
    if path is None or found.group().startswith("{{-") or path["root"] in _RESERVED:
        raise ConversionError(f"templates only name variables here: {_shown(found.group())}")
    for name in filters:
        if name not in _FILTERS and name != "dump":
            raise ConversionError(f"the filter {name!r} is not known here: {_shown(found.group())}")
    return path["root"], path["rest"], filters


def _step_into(value: JsonValue, step: re.Match[str]) -> JsonValue:
    name, index, *keys = step.groups()
    if isinstance(value, dict):
        fields: JsonObject = value
        return fields.get(name or next((key for key in keys if key is not None), None) or str(index))
    if isinstance(value, list) and index is not None:
        return value[int(index)] if int(index) < len(value) else None
    return None


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_SHOWN else f"{flat[:MOST_SHOWN]}…"
