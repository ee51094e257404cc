"""docs/reference/api.md, from the document at `/api/openapi.json`."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from evalhaven.api.openapi import build_extension_document
from evalhaven.wire import extension
from tests.docs.compatibility_page import own_application, own_document
from tests.docs.reference.markdown import choices, code, link, page, paragraphs, table

Json = dict[str, Any]
_CONTRACT = "[the contract](../compatibility.md#every-field)"
_TAGS = {
    "Overviews": "Overviews",
    "Access": "Keys, sessions and members",
    "Runs": "Runs",
    "Webhooks": "Webhooks",
    "Reports": "Reports and comparisons",
    "Logs": "Logged calls",
    "Server": "The server",
    "Import": "Imports",
}
_COMMON = "Besides, these answers are common to all requests, as far as they apply:"


def render_api() -> str:
    """Return the page."""
    return _Page(build_extension_document(own_application())).render()


class _Page:
    """One document as a page."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._schemas: Json = document["components"]["schemas"]
        contract = own_document()["components"]["schemas"].keys()
        keys = {name for name, each in vars(extension).items() if inspect.getmodule(each) is extension}
        self._operations = [
            (tag, f"`{method.upper()} {path}`", operation)
            for tag in _TAGS
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if operation["tags"] == [tag]
        ]
        self._own = [name for name in sorted(self._schemas) if name not in contract or name in keys]

    def render(self) -> str:
        parts = paragraphs(self._document["info"]["description"])
        common = self._common()
        parts += [_COMMON, table(("status", "answer"), [(_status(status), what) for status, what in common.items()])]
        parts.append("This page is made from the document that is served at `/api/openapi.json`.")
        rows = [(link(title), paragraphs(operation["description"])[0]) for _, title, operation in self._operations]
        parts.append(table(("request", "what it does"), rows))
        for tag, heading in _TAGS.items():
            parts.append(f"## {heading}")
            for own_tag, title, operation in self._operations:
                if own_tag == tag:
                    parts += [f"### {title}", *self._operation(operation, common)]
        parts += ["## Objects", f"Objects that are not listed here are those of {_CONTRACT}."]
        for name in self._own:
            parts += [f"### {code(name)}", *self._object(name)]
        return page("API reference", parts)

    def _common(self) -> dict[str, str]:
        """Return the errors that are described alike wherever they stand."""
        found: dict[str, set[str]] = {}
        for _, _, operation in self._operations:
            for status, answer in operation["responses"].items():
                found.setdefault(status, set()).add(answer["description"])
        return {status: texts.pop() for status, texts in sorted(found.items()) if _is_error(status) and len(texts) == 1}

    def _operation(self, operation: Json, common: Json) -> Iterator[str]:
        yield from paragraphs(operation["description"])
        rows = [
            (code(each["name"]), each["in"], self._given_type(each["schema"]), _default(each), each["description"])
            for each in operation.get("parameters", [])
        ]
        yield table(("parameter", "in", "type", "default", "meaning"), rows)
        if "requestBody" in operation:
            yield self._body(operation["requestBody"])
        yield table(("status", "answer"), list(self._answers(operation["responses"], common)))

    def _body(self, body: Json) -> str:
        ((kind, content),) = body["content"].items()
        schema = content["schema"]
        what = (
            f"The body is {self._type(schema)}, sent as {code(kind)}."
            if "$ref" in schema
            else f"The body is {code(kind)}."
        )
        if not body["required"]:
            what += " It may be left out."
        return f"{what} {body['description']}" if "description" in body else what

    def _answers(self, responses: Json, common: Json) -> Iterator[tuple[str, str]]:
        for status, answer in responses.items():
            what = answer["description"]
            if _is_error(status):
                if status not in common:
                    yield _status(status), what
            else:
                forms: list[str] = []
                for form, content in answer["content"].items():
                    sent = "" if form == "application/json" else f" as {code(form)}"
                    forms.append(f"{self._type(content['schema'])}{sent}")
                headers = [
                    f" The header {code(name)}: {header['description']}"
                    for name, header in answer.get("headers", {}).items()
                ]
                yield _status(status), f"{what.rstrip('.')}: {', or '.join(forms)}.{''.join(headers)}"

    def _object(self, name: str) -> Iterator[str]:
        schema = self._schemas[name]
        yield from paragraphs(schema["description"])
        fields: Json = schema.get("properties", {})
        required = schema.get("required", [])
        explained = {key: value for key, value in fields.items() if "description" in value}
        rows = [
            (
                code(key),
                self._type(value) if key in required else f"{self._given_type(value)}, optional",
                value["description"],
            )
            for key, value in explained.items()
        ]
        yield table(("key", "type", "meaning"), rows)
        if len(explained) < len(fields):
            yield f"All other keys are as in {_CONTRACT}."

    def _given_type(self, schema: Json) -> str:
        """Return the type of what may be left out; to give null is the same."""
        members = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
        return self._type({"anyOf": members} if len(members) > 1 else members[0])

    def _type(self, schema: Json) -> str:  # noqa: PLR0911 - one for each form of schema
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return link(code(name)) if name in self._own else code(name)
        if members := schema.get("anyOf", schema.get("oneOf")):
            *others, last = dict.fromkeys(map(self._type, members))
            return f"{', '.join(others)} or {last}" if others else last
        if "enum" in schema:
            return choices(schema["enum"])
        kind = schema.get("type")
        if kind == "array":
            return f"list of {_plural(self._type(schema['items']))}{_limits(schema, 'Items', ' entries')}"
        if kind == "object" and isinstance(more := schema.get("additionalProperties"), dict):
            return f"object of {_plural(self._type(more))}"
        if kind == "string":
            return "file" if schema.get("format") == "binary" else f"string{_limits(schema, 'Length', ' characters')}"
        return "any value" if kind is None else f"{kind}{_range(schema)}"


def _is_error(status: str) -> bool:
    return not status.startswith("2")


def _status(status: str) -> str:
    return code(status) if status.isdecimal() else "other"


def _plural(name: str) -> str:
    return re.sub(r"^(string|integer|number|object|any value)\b", r"\1s", name)


def _default(parameter: Json) -> str:
    if parameter.get("required"):
        return "required"
    default = parameter["schema"].get("default")
    return "none" if default is None else code(str(default).lower())


def _limits(schema: Json, what: str, unit: str) -> str:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if least is not None and most is not None:
        return f" ({least:,} to {most:,}{unit})"
    if most is not None:
        return f" (at most {most:,}{unit})"
    return " (not empty)" if least else ""


def _range(schema: Json) -> str:
    least, most, above = schema.get("minimum"), schema.get("maximum"), schema.get("exclusiveMinimum")
    if least is not None and most is not None:
        return f" ({least:,} to {most:,})"
    if least is not None:
        return f" ({least:,} or more)"
    return f" (more than {above:,})" if above is not None else ""
