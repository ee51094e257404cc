"""What an assertion of promptfoo expects, in the form that its check takes."""

import re
from collections.abc import Callable, Mapping

from evalhaven.domain.jsontext import JsonValue
from evalhaven.importers.conversion.js_regex import to_python
from evalhaven.importers.conversion.made import ConversionError
from evalhaven.importers.conversion.nunjucks import js_text
from evalhaven.importers.conversion.schemas import checked_schema


def plain_value(kind: str, value: JsonValue) -> JsonValue:
    """Return what an assertion of a type expects, after its templates were rendered.

    Raises:
        ConversionError: It is not what promptfoo would accept.
    """
    return _FORMS.get(kind, _texts)(value)


def _equal_to(value: JsonValue) -> JsonValue:
    return value if isinstance(value, dict | list) or value is None else js_text(value)


def _contained(value: JsonValue) -> JsonValue:
    if not js_text(value):
        raise ConversionError("it expects nothing")
    return js_text(value)


def _pattern(value: JsonValue) -> JsonValue:
    if not isinstance(value, str) or not value:
        raise ConversionError("its value is not a pattern")
    return to_python(value)


def _several(value: JsonValue) -> JsonValue:
    return [js_text(each) for each in (value if isinstance(value, list) else _comma_separated(js_text(value)))]


def _schema(value: JsonValue) -> JsonValue:
    return checked_schema(value) if value else None


def _limits(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return [value.get("min"), value.get("max")]
    if not js_text(value).isdecimal():
        raise ConversionError("its value is not a number of words")
    count = int(js_text(value))
    return [count, count]


def _texts(value: JsonValue) -> JsonValue:
    if isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        return value
    raise ConversionError("its value is neither a text nor a list of texts")


def _comma_separated(text: str) -> list[str]:
    """Return the fields of a text, which may stand in double quotes."""
    fields: list[str] = []
    rest = text.strip()
    while rest := rest.lstrip(", \t\r\n"):
        if rest.startswith('"'):
            quoted = re.match(r'"((?:\\["\\]|""|[^"])*)"\s*(?=,|\Z)', rest)
            if quoted is None:
                raise ConversionError("a quote in its value does not end")
            fields.append(re.sub(r'\\(["\\])|""', lambda found: found[1] or '"', quoted[1]))
            rest = rest[quoted.end() :]
        else:
            field_text, _, rest = rest.partition(",")
            fields.append(field_text.strip())
    return fields


_FORMS: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    "equals": _equal_to,
    "contains": _contained,
    "icontains": _contained,
    "starts-with": _contained,
    "levenshtein": js_text,
    "regex": _pattern,
    "contains-any": _several,
    "contains-all": _several,
    "icontains-any": _several,
    "icontains-all": _several,
    "is-json": _schema,
    "contains-json": _schema,
    "word-count": _limits,
}
