"""Checks every JSON answer against the OpenAPI document of the server that gave it."""

import json
import re
from http import HTTPStatus
from typing import Any

import jsonschema_rs

_LINES = "application/x-ndjson"
_PAGE = "text/html"
_EVENTS = "text/event-stream"
_PARAMETER = re.compile(r"\\\{[^{}]*\\\}")
_ALIAS = re.compile(r"^/openai(?:/v1)?/")
_CODE = re.compile(r"`([a-z_]+)`")
_CANCEL_ALIAS = re.compile(r"^(/v1/evals/[^/]+/runs/[^/]+)/cancel$")


class AnswerChecker:
    """Validates answers; `check` is an httpx2 event hook.

    Args:
        document: The parsed OpenAPI document.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._validators: dict[str, jsonschema_rs.Validator] = {}
        # A path without parameters is tried first: /files/{file_id} would match /files too otherwise.
        templates = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(_pattern(template), template) for template in templates]
        self.checked = 0

    def check(self, response: Any) -> None:
        """Fail unless the body is what the document says of this operation and status, codes of errors included."""
        response.read()
        kind = response.headers.get("content-type", "")
        if kind == _LINES:
            self._check_lines(response)
            return
        if kind.startswith(_PAGE):
            self._check_page(response)
            return
        if kind.startswith(_EVENTS):
            self._check_events(response)
            return
        if not kind.startswith("application/json"):
            return
        path = response.request.url.raw_path.decode().partition("?")[0]
        schema = self._schema_of(response.request.method, path, response.status_code)
        if schema is not None:
            problems = self.problems_of_answer(schema, json.loads(response.text))
            problems = problems or self._problems_of_code(
                response.request.method, path, response.status_code, response.text
            )
            assert not problems, f"{response.request.method} {path} {response.status_code}: {problems}"
            self.checked += 1

    def _check_events(self, response: Any) -> None:
        path = response.request.url.raw_path.decode().partition("?")[0]
        operation = self._operation(response.request.method, path)
        # Chunks of a call that is passed on are the endpoint's.
        if operation is None or not path.startswith("/api/"):
            return
        schema = operation["responses"][str(response.status_code)]["content"][_EVENTS]["schema"]
        for line in response.text.splitlines():
            if line.startswith("data: "):
                problems = self.problems_of_answer(schema, json.loads(line.removeprefix("data: ")))
                assert not problems, f"{path}: {problems}"
        self.checked += 1

    def _check_lines(self, response: Any) -> None:
        path = response.request.url.raw_path.decode().partition("?")[0]
        operation = self._operation(response.request.method, path)
        if operation is None:
            return
        schema = operation["responses"][str(response.status_code)]["content"][_LINES]["schema"]
        # `splitlines` would split at U+2028 as well, which JSON has unescaped.
        for line in response.text.removesuffix("\n").split("\n") if response.text else ():
            problems = self.problems_of_answer(schema, json.loads(line))
            assert not problems, f"{path}: {problems}"
        self.checked += 1

    def _check_page(self, response: Any) -> None:
        operation = self._operation(response.request.method, response.request.url.raw_path.decode().partition("?")[0])
        if operation is not None:
            assert _PAGE in operation["responses"][str(response.status_code)]["content"]
            self.checked += 1

    def problems(self, schema: dict[str, Any], value: Any) -> list[str]:
        """Return what is wrong with a value by a schema of the document."""
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**schema, "components": self._document["components"]}
            self._validators[key] = jsonschema_rs.validator_for(whole)
        return [f"{list(error.instance_path)}: {error.message}" for error in self._validators[key].iter_errors(value)]

    def problems_of_answer(self, schema: dict[str, Any], value: Any) -> list[str]:
        """Return what is wrong with an answer by a schema of the document; lone surrogates in it are allowed."""
        try:
            return self.problems(schema, value)
        except UnicodeEncodeError:
            return self.problems(schema, _encodable(value))

    def _problems_of_code(self, method: str, path: str, status: int, text: str) -> list[str]:
        """Return a problem if the document names the codes of this status and the error has another one."""
        operation = self._operation(method, path)
        if status < HTTPStatus.BAD_REQUEST or operation is None:
            return []
        answers = operation["responses"]
        named = _CODE.findall(answers.get(str(status), answers.get("default", {})).get("description", ""))
        code = json.loads(text)["error"]["code"]
        return [f"code {code!r} is not among {named}"] if named and code not in named else []

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        plain = _CANCEL_ALIAS.sub(r"\1", _ALIAS.sub("/v1/", path))
        for pattern, template in self._paths:
            if pattern.fullmatch(plain):
                return self._document["paths"][template].get(method.lower())
        return None

    def _schema_of(self, method: str, path: str, status: int) -> dict[str, Any] | None:
        """Return the schema that an answer must satisfy; None for what is not part of the contract (/readyz)."""
        if status >= HTTPStatus.BAD_REQUEST:
            return {"$ref": "#/components/schemas/ErrorResponse"}
        operation = self._operation(method, path)
        if operation is None:
            return None
        schema: dict[str, Any] = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        return schema


def _encodable(value: Any) -> Any:
    """Replace lone surrogates, which are JSON but which the validator's keys cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(entry) for key, entry in value.items()}
    return [_encodable(entry) for entry in value] if isinstance(value, list) else value


def _pattern(template: str) -> re.Pattern[str]:
    # The name of a model may hold slashes.
    wildcard = ".+" if template == "/v1/models/{model}" else "[^/]+"
    return re.compile(_PARAMETER.sub(wildcard, re.escape(template)))
