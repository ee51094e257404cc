"""An assertion of promptfoo as a testing criterion that gives the same verdicts.

Promptfoo has a list of assertions for each test, and an eval has criteria that hold for all items. So what differs
between tests stands in the item, under `assert`, and a criterion passes the items that do not have it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.importers.conversion import snippets
from evalhaven.importers.conversion.judges import JUDGED, Judged
from evalhaven.importers.conversion.made import ConversionError
from evalhaven.importers.conversion.nunjucks import has_tags, js_text, names_in, render, to_template
from evalhaven.importers.conversion.snippets import Snippet
from evalhaven.importers.conversion.values import plain_value

IN_ITEM = "assert"
"""Key of an item under which stands what the assertions of its test expect."""

_NO_GRADER = {
    "answer-relevance": "its score is the similarity of generated questions, which no grader computes",
    "classifier": "no grader calls a classifier",
    "context-faithfulness": "no grader asks about contexts; write a `score_model` criterion",
    "context-recall": "no grader asks about contexts; write a `score_model` criterion",
    "context-relevance": "no grader asks about contexts; write a `score_model` criterion",
    "cost": "what an item costs is in every report, and a policy's `max_cost_usd` limits it for a run",
    "g-eval": "no grader asks in two steps; write a `score_model` criterion",
    "javascript": "graders are written in Python; write a `python` criterion",
    "latency": "latencies are in every report, but no criterion sees them",
    "meteor": "it stems and finds synonyms in another way than the metric `meteor` of `text_similarity` does",
    "moderation": "no grader calls a moderation service",
    "rouge-n": "it splits words in another way than the metric `rouge_1` of `text_similarity` does",
    "ruby": "graders are written in Python; write a `python` criterion",
    "similar:dot": "cosine is the only similarity of embeddings",
    "similar:euclidean": "cosine is the only similarity of embeddings",
    "webhook": "graders have no network",
}
_CHECK_OPERATIONS = {"equals": "eq", "not-equals": "ne", "contains": "like", "icontains": "ilike"}
_FILE = "file://"


@dataclass(frozen=True, slots=True)
class Place:
    """One assertion as the tests have it that share it.

    Attributes:
        name: Name of the criterion.
        slug: Its key in items.
        kind: The type without `not-`.
        values: What it expects, of each test; a test that does not have it is missing.
        where: Where the first one stands, for messages.
    """

    name: str
    slug: str
    kind: str
    is_inverse: bool
    assertion: JsonObject
    values: Mapping[int, JsonValue]
    where: str


@dataclass(slots=True)
class Tests:
    """The tests, and what assertions add to their items.

    Attributes:
        variables: The variables of each test.
        expected: What assertions expect of each test, by slug.
        read_text: Returns the text of a file that the configuration names.
        judge: The model that judges where an assertion names none.
    """

    variables: Sequence[JsonObject]
    read_text: Callable[[str], str]
    judge: str
    expected: list[JsonObject] = field(default_factory=list[JsonObject])
    notes: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.expected = [{} for _ in self.variables]


@dataclass(frozen=True, slots=True)
class Check:
    """A check in Python of one place, alone or as a part of several.

    Attributes:
        value: Source of what it expects.
        guard: Source of the condition under which a test has it; "" if all have it.
        weight: What its score counts among others.
    """

    name: str
    snippet: Snippet
    value: str
    guard: str
    is_inverse: bool
    weight: float


def criterion_of(place: Place, tests: Tests) -> JsonObject:
    """Return the criterion of an assertion.

    Raises:
        ConversionError: There is none; the message says why.
    """
    _refuse(place)
    is_weightless = _weight_of(place.assertion) == 0
    if place.kind in JUDGED:
        made = Judged(place.name, place.kind, place.assertion, is_inverse=place.is_inverse).criterion(
            _text_of_judge(place, tests), tests.judge, tests.read_text
        )
        if len(place.values) < len(tests.variables):
            tests.notes.append(
                f"{place.where}: the judge is asked about the tests that do not have this assertion too, with the "
                "rubric that every output passes"
            )
        if is_weightless:
            made |= {"pass_threshold": 0} if "pass_threshold" in made else {"passing_labels": made["labels"]}
        return made
    if place.kind == "similar":
        return _similarity(place, tests, is_weightless=is_weightless)
    if place.kind == "python":
        return _python(place, tests, is_weightless=is_weightless)
    operation = _CHECK_OPERATIONS.get(place.kind if not place.is_inverse else f"not-{place.kind}")
    template = None if operation is None or is_weightless else _template_of(place, tests)
    if operation is not None and template is not None:
        return {
            "type": "string_check",
            "name": place.name,
            "input": "{{ sample.output_text }}",
            "reference": template,
            "operation": operation,
        }
    return _alone(check_of(place, tests))


def check_of(place: Place, tests: Tests) -> Check:
    """Return an assertion as a check in Python.

    Raises:
        ConversionError: It is none; the message says why.
    """
    _refuse(place)
    if place.kind in JUDGED or place.kind in ("similar", "python"):
        raise ConversionError(f"{place.kind} cannot be a part of several with a threshold")
    values = {test: _plain_value(place, value, tests.variables[test], tests) for test, value in place.values.items()}
    snippet = _snippet_of(place, list(values.values()))
    threshold = place.assertion.get("threshold")
    if threshold is not None and not isinstance(threshold, int | float):
        raise ConversionError("its threshold is not a number")
    if place.kind == "levenshtein":
        snippet = Snippet(snippets.LEVENSHTEIN.replace("THRESHOLD", repr(5 if threshold is None else threshold)))
    elif snippet.threshold is not None and threshold is not None:
        snippet = replace(snippet, threshold=float(threshold))
    texts = {json.dumps(value, sort_keys=True) for value in values.values()}
    has_all = len(values) == len(tests.variables)
    if has_all and len(texts) == 1:
        source, guard = repr(next(iter(values.values()))), ""
    else:
        for test, value in values.items():
            tests.expected[test][place.slug] = value
        source = f'item["{IN_ITEM}"][{place.slug!r}]'
        guard = "" if has_all else f'{place.slug!r} in item.get("{IN_ITEM}", {{}})'
    return Check(place.name, snippet, source, guard, place.is_inverse, _weight_of(place.assertion))


def combined(name: str, checks: Sequence[Check], threshold: float | None, source_of_threshold: str = "") -> JsonObject:
    """Return one criterion of several checks: their weighted mean against a threshold, or all of them.

    Args:
        name: Its name.
        checks: The checks.
        threshold: The lowest mean that passes; None if all have to pass.
        source_of_threshold: Source of a threshold that items have, or None for those that have none.
    """
    parts: list[str] = []
    lines: list[str] = []
    for number, check in enumerate(checks, start=1):
        parts.append(_renamed(check.snippet.code, number))
        call = f"check_{number}(text, {check.value})"
        least = "True" if check.snippet.threshold is None else repr(check.snippet.threshold)
        add = f"found.append(judged({call}, {least}, {check.is_inverse}, {check.weight!r}))"
        lines += [f"    if {check.guard}:", f"        {add}"] if check.guard else [f"    {add}"]
    ending = (
        f"    least = {source_of_threshold or repr(threshold)}\n"
        "    if least is None:\n"
        "        return float(all(passed or weight == 0 for passed, _, weight in found))\n"
        "    total = sum(weight for _, _, weight in found)\n"
        "    mean = sum(score * weight for _, score, weight in found) / total if total else 0.0\n"
        "    return float(mean >= least)\n"
    )
    source = (
        "\n".join(parts) + "\ndef judged(result, least, is_inverse, weight):\n"
        "    passed = result if least is True else result >= least\n"
        "    score = float(result)\n"
        "    return (not passed, 1 - score, weight) if is_inverse else (passed, score, weight)\n"
        "\ndef grade(sample, item):\n"
        '    text = sample.get("output_text") or ""\n'
        "    found = []\n" + "\n".join(lines) + "\n" + ending
    )
    return {"type": "python", "name": name, "source": source, "pass_threshold": 1}


def _alone(check: Check) -> JsonObject:
    threshold = check.snippet.threshold
    result = f"check(text, {check.value})"
    if check.is_inverse:
        result = f"not {result}" if threshold is None else f"{result} < {threshold!r}"
    guard = f"    if not ({check.guard}):\n        return 1.0\n" if check.guard else ""
    source = (
        f"{check.snippet.code}\ndef grade(sample, item):\n{guard}"
        f'    text = sample.get("output_text") or ""\n    return float({result})\n'
    )
    pass_threshold = 1 if threshold is None or check.is_inverse else threshold
    made: JsonObject = {"type": "python", "name": check.name, "source": source}
    return {**made, "pass_threshold": 0 if check.weight == 0 else pass_threshold}


def _renamed(code: str, number: int) -> str:
    """Return a snippet whose functions do not stand in the way of those of other snippets."""
    for name in re.findall(r"^def (\w+)\(", code, re.MULTILINE):
        code = re.sub(rf"(?<![\w.\"]){name}(?=\()|(?<=map\(){name}(?=,)", f"{name}_{number}", code)
    return code.replace("parse_constant=refuse)", f"parse_constant=refuse_{number})")


def _refuse(place: Place) -> None:
    reason = _NO_GRADER.get(place.kind)
    if reason is None and place.kind.startswith(("select-", "promptfoo:", "trace-", "trajectory:")):
        reason = "no grader sees other answers, traces or tools' steps"
    if reason is not None:
        raise ConversionError(f"{place.kind} has no grader: {reason}")
    if place.kind not in _KNOWN:
        raise ConversionError(f"{place.kind} has no grader here")
    for key in ("transform", "contextTransform"):
        if place.assertion.get(key):
            raise ConversionError(f"its {key!r} is code of JavaScript, which changes the output before it is graded")


def _weight_of(assertion: JsonObject) -> float:
    weight = assertion.get("weight")
    return weight if isinstance(weight, int | float) else 1


def _template_of(place: Place, tests: Tests) -> str | None:
    """Return a value as a template that holds for all items; None if it has to be a check in Python."""
    if len(place.values) < len(tests.variables):
        return None
    values = [_loaded(value, tests) for value in place.values.values()]
    if any(isinstance(value, dict | list) or (value is None and place.kind == "equals") for value in values):
        return None
    texts = {js_text(value) for value in values}
    if "" in texts and place.kind != "equals":
        raise ConversionError("it expects nothing")
    if len(texts) == 1:
        (text,) = texts
        with_values = not has_tags(text) or all(
            isinstance(each.get(name), str | int) for name in names_in(text) for each in tests.variables
        )
        if with_values:
            try:
                return to_template(text)
            except ConversionError:
                pass
    for test, value in place.values.items():
        loaded = _loaded(value, tests)
        rendered = render(loaded, tests.variables[test]) if isinstance(loaded, str) else js_text(loaded)
        if not rendered and place.kind != "equals":
            raise ConversionError("it expects nothing in a test")
        tests.expected[test][place.slug] = rendered
    return f"{{{{ item.{IN_ITEM}.{place.slug} }}}}"


def _loaded(value: JsonValue, tests: Tests) -> JsonValue:
    if not isinstance(value, str) or not value.startswith(_FILE):
        return value
    name = value.removeprefix(_FILE)
    if name.endswith((".js", ".ts", ".mjs", ".cjs", ".py", ".rb")) or ":" in name:
        raise ConversionError(f"{value} computes what is expected, and nothing is executed here")
    text = tests.read_text(name)
    if name.endswith(".json"):
        return cast("JsonValue", json.loads(text))
    if name.endswith((".yaml", ".yml")):
        raise ConversionError(f"{value}: only texts and JSON are read from files here")
    return text.strip()


def _plain_value(place: Place, value: JsonValue, variables: JsonObject, tests: Tests) -> JsonValue:
    """Return what an assertion expects of one test, in the form that its check takes.

    Raises:
        ConversionError: It is not what promptfoo would accept.
    """
    loaded = _loaded(value, tests)
    if isinstance(loaded, str):
        loaded = render(loaded, variables)
    elif isinstance(loaded, list):
        loaded = [render(each, variables) if isinstance(each, str) else each for each in loaded]
    return plain_value(place.kind, loaded)


_SNIPPETS = {
    "contains": snippets.CONTAINS,
    "icontains": snippets.LOWER_CONTAINS,
    "starts-with": snippets.STARTS_WITH,
    "contains-any": snippets.CONTAINS_ANY,
    "contains-all": snippets.CONTAINS_ALL,
    "icontains-any": snippets.LOWER_CONTAINS_ANY,
    "icontains-all": snippets.LOWER_CONTAINS_ALL,
    "regex": snippets.REGEX,
    "word-count": snippets.WORD_COUNT,
    "levenshtein": Snippet(snippets.LEVENSHTEIN),
    "bleu": snippets.BLEU,
    "gleu": snippets.GLEU,
}


_KNOWN = frozenset({*_SNIPPETS, *JUDGED, "equals", "is-json", "contains-json", "python", "similar"})


def _snippet_of(place: Place, values: Sequence[JsonValue]) -> Snippet:
    match place.kind:
        case "equals":
            are_json = [isinstance(value, dict | list) or value is None for value in values]
            if any(are_json) and not all(are_json):
                raise ConversionError("some tests expect a text and others an object")
            return snippets.EQUALS_JSON if any(are_json) else snippets.EQUALS
        case "is-json" | "contains-json":
            have_schema = {value is not None for value in values}
            if len(have_schema) > 1:
                raise ConversionError("only some tests have a schema")
            if place.kind == "is-json":
                return snippets.IS_VALID_JSON if True in have_schema else snippets.IS_JSON
            return snippets.CONTAINS_VALID_JSON if True in have_schema else snippets.CONTAINS_JSON
        case kind:
            return _SNIPPETS[kind]


def _text_of_judge(place: Place, tests: Tests) -> str:
    """Return what a judge has to look for, as a template."""
    has_all = len(place.values) == len(tests.variables)
    values = {test: _loaded(value, tests) for test, value in place.values.items()}
    texts = {value if isinstance(value, str) else json.dumps(value) for value in values.values() if value is not None}
    if has_all and len(texts) == 1:
        try:
            return to_template(texts.pop())
        except ConversionError:
            pass
    for test, variables in enumerate(tests.variables):
        value = values.get(test)
        text = value if isinstance(value, str) else json.dumps(value)
        tests.expected[test][place.slug] = render(text, variables) if test in values else "Every output passes."
    return f"{{{{ item.{IN_ITEM}.{place.slug} }}}}"


def _similarity(place: Place, tests: Tests, *, is_weightless: bool) -> JsonObject:
    if len(place.values) < len(tests.variables):
        raise ConversionError("only some tests have it, and a criterion compares every item")
    if any(isinstance(value, list) for value in place.values.values()):
        raise ConversionError("it compares with several texts; write a `multi` criterion of several cosines")
    template = _template_of(replace(place, kind="equals"), tests)
    threshold = place.assertion.get("threshold")
    least = threshold if isinstance(threshold, int | float) else 0.75
    part: JsonObject = {
        "type": "text_similarity",
        "name": place.name,
        "input": "{{ sample.output_text }}",
        "reference": template,
        "evaluation_metric": "cosine",
    }
    tests.notes.append(
        f"{place.where}: the same verdicts need the same model of embeddings (EVALHAVEN_EMBEDDINGS_MODEL)"
    )
    if not place.is_inverse:
        return {**part, "pass_threshold": 0 if is_weightless else least}
    return {
        "type": "multi",
        "name": place.name,
        "graders": {"similar": {**part, "name": "similar"}},
        "calculate_output": "1 - similar",
        "pass_threshold": 0 if is_weightless else round(1 - least, 12),
    }


def _python(place: Place, tests: Tests, *, is_weightless: bool) -> JsonObject:
    """Return the code of an assertion as a criterion."""
    value = next(iter(place.values.values()))
    if not isinstance(value, str):
        raise ConversionError("its value is not code")
    if has_tags(value) and not value.startswith(_FILE):
        raise ConversionError("its code has a template in it; read `context['vars']` instead")
    if value.startswith(_FILE):
        name, _, function = value.removeprefix(_FILE).partition(":")
        source, function = tests.read_text(name), function or "get_assert"
    else:
        lines = value.rstrip("\n").split("\n")
        body = "\n".join(f"    {line}" for line in lines) if "\n" in value else f"    return {value}"
        source, function = f"def main(output, context):\n{body}", "main"
    strange = set(re.findall(r"context(?:\.get\(|\[)\s*[\"'](\w+)", source)) - {
        "vars",
        "test",
        "config",
    }
    if strange:
        raise ConversionError(f"its code reads {', '.join(sorted(strange))} of the context, which graders do not have")
    try:
        compile(source, "assertion", "exec")
    except SyntaxError as error:
        raise ConversionError(f"its code is not Python: {error.msg}") from error
    threshold = place.assertion.get("threshold")
    variables = f'{{name: value for name, value in item.items() if name != "{IN_ITEM}"}}'
    made = snippets.PYTHON
    for word, text in (
        ("SOURCE", source),
        ("VARS", variables),
        ("CONFIG", repr(place.assertion.get("config") or {})),
        ("FUNCTION", function),
        ("THRESHOLD", repr(threshold)),
        ("INVERSE", repr(place.is_inverse)),
    ):
        made = made.replace(word, text)
    if len(place.values) < len(tests.variables):
        for test in place.values:
            tests.expected[test][place.slug] = True
        guard = f'    if {place.slug!r} not in item.get("{IN_ITEM}", {{}}):\n        return 1.0\n'
        made = made.replace("def grade(sample, item):\n", f"def grade(sample, item):\n{guard}")
    return {"type": "python", "name": place.name, "source": made, "pass_threshold": 0 if is_weightless else 1}
