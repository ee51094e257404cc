"""A configuration of promptfoo as an eval file."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.importers.conversion.assertions import IN_ITEM, Check, Place, Tests, check_of, combined, criterion_of
from evalhaven.importers.conversion.judges import DEFAULT_JUDGE
from evalhaven.importers.conversion.made import Conversion, ConversionError
from evalhaven.importers.conversion.nunjucks import has_tags
from evalhaven.importers.conversion.promptfoo_models import ModelReader, PromptReader
from evalhaven.importers.conversion.promptfoo_source import Source, object_of
from evalhaven.importers.conversion.promptfoo_tests import Test, TestReader

_IGNORED = frozenset(
    {
        "description",
        "prompts",
        "providers",
        "targets",
        "tests",
        "defaultTest",
        "outputPath",
        "sharing",
        "commandLineOptions",
    }
    | {"writeLatestResults", "tags", "evaluateOptions", "$schema", "assertionTemplates", "env", "metadata", "cache"}
)


def convert_promptfoo(path: Path, judge: str | None = None, models: Sequence[str] = ()) -> Conversion:
    """Return a configuration as an eval file.

    Args:
        path: The configuration, YAML or JSON.
        judge: The model that judges, in place of those that are named; None for those, else a default.
        models: The models to ask, in place of those that are named.

    Raises:
        EvalFileError: It cannot be read.
        ConversionError: There is nothing in it that an eval could be made of.
    """
    return _Converter(Source(path), judge, models).convert()


class _Converter:
    """Converts one configuration."""

    def __init__(self, source: Source, judge: str | None, models: Sequence[str]) -> None:
        self._source = source
        self._judge = judge
        self._models = models

    def convert(self) -> Conversion:
        for key in self._source.config.keys() - _IGNORED:
            self._source.leave_out((key,), "there is nothing like it here")
        tests = TestReader(self._source, keeps_judges=self._judge is None).read()
        if not tests:
            raise ConversionError(
                f"{self._source.path} has no test that could be converted: " + "; ".join(self._source.made.left_out)
            )
        shared = Tests([test.variables for test in tests], self._source.read, self._judge or DEFAULT_JUDGE)
        criteria = self._criteria(tests, shared)
        for note in shared.notes:
            self._source.made.notes.append(note)
        prompts = PromptReader(self._source).read(shared.variables)
        models = list[JsonValue](self._models) or ModelReader(self._source).read()
        items: list[JsonValue] = [
            {**variables, IN_ITEM: expected} if expected else {**variables}
            for variables, expected in zip(shared.variables, shared.expected, strict=True)
        ]
        if not criteria:
            raise ConversionError(
                f"{self._source.path} has no assertion that could be converted: "
                + "; ".join(self._source.made.left_out)
            )
        description = self._source.config.get("description")
        document: JsonObject = {"name": description if isinstance(description, str) else self._source.path.stem}
        document["data"] = items
        if models and prompts:
            document |= {"models": models, "prompts": prompts}
        elif not models:
            self._source.made.leave_out("models and prompts", "there is no model to ask; --model names one")
        options = self._source.config.get("evaluateOptions")
        for key, name in (("repeat", "repeats"), ("maxConcurrency", "max_concurrency")):
            value = options.get(key) if isinstance(options, dict) else None
            if isinstance(value, int) and value > 1:
                document[name] = value
        document["testing_criteria"] = criteria
        self._source.made.document = document
        return self._source.made

    def _criteria(self, tests: Sequence[Test], shared: Tests) -> list[JsonValue]:
        places = _places(tests)
        if any(test.threshold is not None for test in tests):
            try:
                return [self._as_one(tests, places, shared)]
            except ConversionError as error:
                shared.expected = [{} for _ in tests]
                self._source.leave_out(
                    ("tests",), f"the threshold of tests: {error}; each assertion has to pass instead"
                )
        criteria: list[JsonValue] = []
        for place in places:
            before = [dict(each) for each in shared.expected]
            try:
                criteria.append(
                    _set_criterion(place, shared) if place.kind == "assert-set" else criterion_of(place, shared)
                )
            except ConversionError as error:
                shared.expected = before
                self._source.made.leave_out(place.where, str(error))
        return criteria

    def _as_one(self, tests: Sequence[Test], places: Sequence[Place], shared: Tests) -> JsonObject:
        """Return all assertions as one criterion, since a test passes by the mean of their scores."""
        checks: list[Check] = []
        for place in places:
            if place.kind == "assert-set":
                raise ConversionError("assert-set cannot be a part of several with a threshold")
            checks.append(check_of(place, shared))
        thresholds = {test.threshold for test in tests}
        self._source.made.note(
            self._source.where(("tests",)),
            "a test passes by the mean of its scores, so all assertions are one criterion",
        )
        if len(thresholds) == 1:
            return combined("assertions", checks, thresholds.pop())
        for test, expected in zip(tests, shared.expected, strict=True):
            if test.threshold is not None:
                expected["threshold"] = test.threshold
        return combined("assertions", checks, None, f'item.get("{IN_ITEM}", {{}}).get("threshold")')


def _places(tests: Sequence[Test]) -> list[Place]:
    """Return the assertions of all tests, those that differ only in what they expect as one."""
    shared: dict[str, tuple[str, JsonObject, dict[int, JsonValue]]] = {}
    for number, test in enumerate(tests):
        seen: dict[str, int] = {}
        for where, assertion in test.assertions:
            kind = str(assertion["type"])
            own = {key: value for key, value in assertion.items() if key != "value" or kind.endswith("python")}
            key = json.dumps(own, sort_keys=True)
            seen[key] = seen.get(key, 0) + 1
            entry = shared.setdefault(f"{key} {seen[key]}", (where, assertion, {}))
            entry[2][number] = assertion.get("value")
    names: dict[str, int] = {}
    found: list[Place] = []
    for where, assertion, values in shared.values():
        kind, metric = str(assertion["type"]), assertion.get("metric")
        base = metric if isinstance(metric, str) and not has_tags(metric) else kind
        names[base] = names.get(base, 0) + 1
        name = base if names[base] == 1 else f"{base} {names[base]}"
        slug = re.sub(r"\W+", "_", name).strip("_") or "expected"
        found.append(Place(name, slug, _plain(kind), kind.startswith("not-"), assertion, values, where))
    return found


def _plain(kind: str) -> str:
    """Return a type of assertion without what negates it, by the shortest of its names."""
    plain = kind.removeprefix("not-")
    return "similar" if plain == "similar:cosine" else plain


def _set_criterion(place: Place, shared: Tests) -> JsonObject:
    """Return an assert-set as one criterion."""
    parts = place.assertion.get("assert")
    threshold = place.assertion.get("threshold")
    checks: list[Check] = []
    for number, part in enumerate(parts if isinstance(parts, list) else [], start=1):
        assertion = object_of(part)
        kind = str(assertion.get("type"))
        values = dict.fromkeys(place.values, assertion.get("value"))
        slug = f"{place.slug}_{number}"
        is_inverse = kind.startswith("not-")
        inner = Place(kind, slug, _plain(kind), is_inverse, assertion, values, place.where)
        checks.append(check_of(inner, shared))
    if not checks:
        raise ConversionError("it has no assertions")
    if len(place.values) < len(shared.variables):
        # No part of it may count for the tests that do not have the set.
        for test in place.values:
            shared.expected[test][place.slug] = True
        made = combined(place.name, checks, threshold if isinstance(threshold, int | float) else None)
        guard = f'    if {place.slug!r} not in item.get("{IN_ITEM}", {{}}):\n        return 1.0\n'
        source = str(made["source"]).replace("def grade(sample, item):\n", f"def grade(sample, item):\n{guard}")
        return {**made, "source": source}
    return combined(place.name, checks, threshold if isinstance(threshold, int | float) else None)
