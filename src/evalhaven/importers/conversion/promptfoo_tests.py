"""The tests of a configuration of promptfoo, each with what the default test adds to it."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.eval_files.located import Place, parse_document, read_text
from evalhaven.eval_files.problems import EvalFileError
from evalhaven.importers.conversion.assertions import IN_ITEM
from evalhaven.importers.conversion.made import ConversionError
from evalhaven.importers.conversion.nunjucks import has_tags, names_in, render
from evalhaven.importers.conversion.promptfoo_source import FILE, Source, object_of

_CODE = (".js", ".cjs", ".mjs", ".ts", ".py", ".rb", ".sh")
_TEST_KEYS = frozenset({"vars", "assert", "description", "options", "threshold", "metadata"})
_OPTION_KEYS = frozenset({"provider", "rubricPrompt", "factuality", "disableDefaultAsserts", "disableVarExpansion"})
_CSV_THRESHOLDS = ("levenshtein", "similar", "starts-with", "rouge-n")


@dataclass(frozen=True, slots=True)
class Test:
    """A test.

    Attributes:
        assertions: Where each stands, and what it says.
        threshold: The lowest mean of its scores that passes; None if every assertion has to pass.
    """

    variables: JsonObject
    assertions: Sequence[tuple[str, JsonObject]]
    threshold: float | None


class TestReader:
    """Reads the tests."""

    def __init__(self, source: Source, *, keeps_judges: bool) -> None:
        """Begin.

        Args:
            source: The configuration.
            keeps_judges: Whether assertions are judged by the models that they name.
        """
        self._source = source
        self._keeps_judges = keeps_judges

    def read(self) -> list[Test]:
        """Return the tests, one for each combination of the values of its variables."""
        found: list[Test] = []
        default = self._default_test()
        given = list(self._given_tests()) or [(("tests",), JsonObject())]
        for place, test in given:
            for key in test.keys() - _TEST_KEYS:
                self._source.leave_out((*place, key), "a criterion holds for all models and prompts alike")
            try:
                found += self._expanded(place, test, default)
            except ConversionError as error:
                self._source.leave_out(place, f"the test: {error}")
        return found

    def _default_test(self) -> JsonObject:
        default = self._source.config.get("defaultTest")
        if isinstance(default, str):
            self._source.leave_out(("defaultTest",), "it stands in another file; write it here")
        return default if isinstance(default, dict) else {}

    def _given_tests(self) -> Iterator[tuple[Place, JsonObject]]:
        tests = self._source.config.get("tests")
        for number, test in enumerate(tests if isinstance(tests, list) else [tests] if tests else []):
            place = ("tests", number) if isinstance(tests, list) else ("tests",)
            if isinstance(test, dict):
                yield place, test
            elif isinstance(test, str):
                try:
                    for each in self._tests_of_file(test.removeprefix(FILE)):
                        yield place, each
                except (ConversionError, EvalFileError) as error:
                    self._source.leave_out(place, str(error))

    def _tests_of_file(self, name: str) -> Iterator[JsonObject]:
        for path in self._source.files(name):
            match path.suffix.lower():
                case ".csv":
                    rows = csv.DictReader(io.StringIO(read_text(path)))
                    yield from (_test_of_row(row) for row in rows)
                case ".jsonl":
                    yield from (json.loads(line) for line in read_text(path).split("\n") if line.strip())
                case ".yaml" | ".yml" | ".json":
                    value = parse_document(path, read_text(path)).value
                    yield from (
                        test for test in (value if isinstance(value, list) else [value]) if isinstance(test, dict)
                    )
                case _:
                    raise ConversionError(f"tests in {path.name} are not read here; save them as YAML, JSON or CSV")

    def _expanded(self, place: Place, test: JsonObject, default: JsonObject) -> Iterator[Test]:
        """Yield a test for each combination of the values of its variables."""
        options = {**object_of(default.get("options")), **object_of(test.get("options"))}
        if not self._keeps_judges:
            options.pop("provider", None)
        for key in options.keys() - _OPTION_KEYS:
            self._source.leave_out((*place, "options", key), "there is nothing like it here")
        assertions: list[tuple[str, JsonObject]] = []
        if options.get("disableDefaultAsserts") is not True:
            assertions += self._assertions(("defaultTest",), default, options)
        assertions += self._assertions(place, test, options)
        threshold = test.get("threshold", default.get("threshold"))
        given = {**object_of(default.get("vars")), **object_of(test.get("vars"))}
        if isinstance(test.get("vars"), str) or isinstance(default.get("vars"), str):
            raise ConversionError("its variables stand in another file; write them here")
        choices: list[list[JsonValue]] = []
        for value in given.values():
            is_list = isinstance(value, list) and value and isinstance(value[0], str)
            choices.append(
                value if is_list and isinstance(value, list) and not options.get("disableVarExpansion") else [value]
            )
        for values in product(*choices):
            variables: JsonObject = {name: self._variable(value) for name, value in zip(given, values, strict=True)}
            if IN_ITEM in variables:
                raise ConversionError(f"a variable is called {IN_ITEM!r}, which is the key of what assertions expect")
            rendered = {name: _rendered(value, variables) for name, value in variables.items()}
            yield Test(rendered, assertions, float(threshold) if isinstance(threshold, int | float) else None)

    def _variable(self, value: JsonValue) -> JsonValue:
        if isinstance(value, str) and value.startswith(FILE):
            name = value.removeprefix(FILE)
            if name.endswith(_CODE):
                raise ConversionError(f"{value} computes a variable, and nothing is executed here")
            if name.endswith((".yaml", ".yml")):
                path = self._source.path.parent / name
                return json.dumps(parse_document(path, self._source.read(name)).value, separators=(",", ":"))
            return self._source.read(name).strip()
        if isinstance(value, str):
            return value.removesuffix("\n")
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return "" if value is None else value

    def _assertions(self, place: Place, test: JsonObject, options: JsonObject) -> list[tuple[str, JsonObject]]:
        """Return the assertions of a test with where each stands, and with what its options say to them."""
        given = test.get("assert")
        templates = object_of(self._source.config.get("assertionTemplates"))
        found: list[tuple[str, JsonObject]] = []
        for number, each in enumerate(given if isinstance(given, list) else []):
            assertion = object_of(each)
            reference = assertion.get("$ref")
            if isinstance(reference, str):
                assertion = object_of(templates.get(reference.rpartition("/")[2]))
            where = self._source.where((*place, "assert", number))
            if not self._keeps_judges:
                assertion = {key: value for key, value in assertion.items() if key != "provider"}
            if not isinstance(assertion.get("type"), str):
                self._source.made.leave_out(where, "it has no type")
                continue
            if assertion["type"] == "assert-set":
                parts = assertion.get("assert")
                inner = [_with_options(object_of(part), options) for part in (parts if isinstance(parts, list) else [])]
                found.append((where, {**assertion, "assert": list[JsonValue](inner)}))
            else:
                found.append((where, _with_options(assertion, options)))
        return found


def _with_options(assertion: JsonObject, options: JsonObject) -> JsonObject:
    """Return an assertion with what the options of its test say to judges."""
    said = {key: options[key] for key in ("provider", "rubricPrompt", "factuality") if options.get(key)}
    return {**said, **assertion}


def _rendered(value: JsonValue, variables: JsonObject) -> JsonValue:
    """Return a variable with the others that it names."""
    if not isinstance(value, str) or not has_tags(value):
        return value
    try:
        return render(value, variables) if set(names_in(value)) <= variables.keys() else value
    except ConversionError:
        return value


def _test_of_row(row: dict[str, str]) -> JsonObject:
    """Return a row of a CSV file as a test."""
    variables: JsonObject = {}
    assertions: list[JsonValue] = []
    test: JsonObject = {}
    metric = ""
    for key, value in ((key.strip(), value or "") for key, value in row.items() if key):
        if key.startswith("__expected"):
            if value.strip():
                assertions.append(_assertion_of_text(value.strip()))
        elif key == "__description":
            test["description"] = value
        elif key == "__metric":
            metric = value
        elif key == "__threshold" and value.strip():
            test["threshold"] = float(value)
        elif key in ("__prefix", "__suffix") and value:
            raise ConversionError(f"the column {key!r} changes prompts test by test")
        elif not key.startswith("__"):
            variables[key] = value
    if metric:
        assertions = [{**object_of(each), "metric": metric} for each in assertions]
    return {**test, "vars": variables, "assert": assertions}


def _assertion_of_text(text: str) -> JsonObject:
    if text.startswith(("javascript:", "fn:", "eval:")):
        return {"type": "javascript", "value": text.partition(":")[2].strip()}
    if text.startswith(("grade:", "llm-rubric:")):
        return {"type": "llm-rubric", "value": text.partition(":")[2]}
    if text.startswith("python:"):
        return {"type": "python", "value": text.partition(":")[2].strip()}
    found = re.fullmatch(r"((?:not-)?[a-z]+(?:-[a-z]+)*)(?:\((\d+(?:\.\d+)?)\))?(?::\s*(.*))?", text, re.DOTALL)
    known = ("equals", "contains", "icontains", "regex", "is-json", "levenshtein", "similar", "starts-with", "cost")
    if found is None or not found[1].removeprefix("not-").startswith(
        (*known, "latency", "rouge-n", "answer-", "model-")
    ):
        return {"type": "equals", "value": text}
    kind, threshold, value = found[1], found[2], (found[3] or "").strip()
    made: JsonObject = {"type": kind, "value": value}
    if kind.removeprefix("not-") in _CSV_THRESHOLDS:
        made["threshold"] = float(threshold) if threshold else 0.75
    return made
