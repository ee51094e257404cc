"""Facts about conversions: verdicts of converted assertions beside those of the tool, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.templates import parse_template
from evalhaven.eval_files.reading import read_eval_file
from evalhaven.graders.string_check import OPERATIONS
from evalhaven.importers.conversion.js_regex import to_python
from evalhaven.importers.conversion.made import Conversion, ConversionError
from evalhaven.importers.conversion.nunjucks import render, to_template
from evalhaven.importers.conversion.oaieval import convert_openai_evals
from evalhaven.importers.conversion.promptfoo_config import convert_promptfoo

PEERS = Path(__file__).parents[2] / "importing" / "peers"
KINDS = PEERS / "promptfoo_kinds"
OAIEVAL = PEERS / "oaieval"
# Promptfoo reads what is in braces as YAML, where `{json}` is an object; a grader reads JSON.
OTHERWISE = [("contains-json", "no {json")]


def passes(criterion: dict[str, Any], item: JsonObject, text: str) -> bool:
    """Grade a text as a run does; python graders here, not in their sandbox."""
    if criterion["type"] == "string_check":
        reference = parse_template(criterion["reference"]).render({"item": item, "sample": {"output_text": text}})
        assert not reference.unresolved
        return OPERATIONS[criterion["operation"]](text, reference.text)
    namespace: dict[str, Any] = {}
    exec(criterion["source"], namespace)  # noqa: S102 - made by the conversion under test
    return namespace["grade"]({"output_text": text}, item) >= criterion["pass_threshold"]


def converted(tmp_path: Path, config: dict[str, Any], **files: str) -> Conversion:
    """Convert a configuration, and read what is made of it as an eval file."""
    path = tmp_path / "promptfooconfig.json"
    path.write_text(json.dumps(config))
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_text(text)
    made = convert_promptfoo(path, None, ["m"])
    written = tmp_path / "eval.yaml"
    written.write_text(made.text())
    read_eval_file(written)
    return made


def criteria_of(made: Conversion) -> list[Any]:
    found = made.document["testing_criteria"]
    assert isinstance(found, list)
    return found


def items_of(made: Conversion) -> list[Any]:
    found = made.document["data"]
    assert isinstance(found, list)
    return found


def test_each_kind_of_assertion_gives_the_verdicts_that_promptfoo_gave() -> None:
    made = convert_promptfoo(KINDS / "promptfooconfig.yaml", None, ["m"])
    verdicts = json.loads((KINDS / "verdicts.json").read_text())
    differences: list[tuple[str, str]] = []
    for recorded, item in zip(verdicts, items_of(made), strict=True):
        output = recorded["output"]
        text = output if isinstance(output, str) else json.dumps(output, separators=(",", ":"))
        for criterion, verdict in zip(criteria_of(made), recorded["passes"], strict=True):
            if passes(criterion, item, text) is not verdict:
                differences.append((criterion["name"], text))

    assert made.left_out == []
    assert len(verdicts) * len(criteria_of(made)) > 1500
    assert differences == OTHERWISE


def test_a_converted_configuration_is_an_eval_file_that_says_what_it_leaves_out(tmp_path: Path) -> None:
    written = tmp_path / "eval.yaml"
    made = convert_promptfoo(PEERS / "promptfoo" / "promptfooconfig.yaml")
    written.write_text(made.text())

    assert read_eval_file(written).name == "Capitals"
    assert "# - promptfooconfig.yaml:7, providers[0]: 'file://answers.js' is not a model" in written.read_text()
    assert any("its judge 'file://answers.js' is not a model that can be asked here" in each for each in made.left_out)


def test_an_assertion_of_some_tests_passes_the_others(tmp_path: Path) -> None:
    tests = [
        {"vars": {"n": 1}, "assert": [{"type": "contains", "value": "one"}]},
        {"vars": {"n": 2}, "assert": [{"type": "contains", "value": "{{n}}"}, {"type": "regex", "value": "^t"}]},
        {"vars": {"n": 3}},
    ]
    made = converted(tmp_path, {"prompts": ["{{n}}"], "tests": tests})
    (contains, regex) = criteria_of(made)

    assert [item.get("assert") for item in items_of(made)] == [
        {"contains": "one"},
        {"contains": "2", "regex": "^t"},
        None,
    ]
    assert [passes(contains, item, "one") for item in items_of(made)] == [True, False, True]
    assert [passes(regex, item, "one") for item in items_of(made)] == [True, False, True]


def test_a_test_with_a_threshold_passes_by_the_mean_of_its_scores(tmp_path: Path) -> None:
    asserted = [{"type": "contains", "value": "a"}, {"type": "contains", "value": "b", "weight": 3}]
    tests = [{"vars": {"n": 1}, "threshold": 0.7}, {"vars": {"n": 2}}]
    made = converted(tmp_path, {"prompts": ["{{n}}"], "defaultTest": {"assert": asserted}, "tests": tests})
    (criterion,) = criteria_of(made)
    mean, every = items_of(made)

    assert [passes(criterion, mean, text) for text in ("a", "b", "ab")] == [False, True, True]
    assert [passes(criterion, every, text) for text in ("a", "b", "ab")] == [False, False, True]


def test_models_prompts_and_what_judges_become_are_as_promptfoo_has_them(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "description": "All",
        "prompts": ["file://p.txt", {"raw": '[{"role":"user","content":"{{q}}"}]', "label": "chat"}],
        "providers": [
            "openai:gpt-4.1-mini",
            {"id": "anthropic:messages:claude-x", "label": "big", "config": {"temperature": 0.5, "apiKey": "secret"}},
        ],
        "defaultTest": {"options": {"provider": "openai:chat:judge"}},
        "evaluateOptions": {"repeat": 3},
        "tests": [
            {
                "vars": {"q": ["a", "b"], "list": [1, 2]},
                "assert": [
                    {"type": "llm-rubric", "value": "is {{q}}"},
                    {"type": "not-llm-rubric", "value": "rude", "provider": "openai:other"},
                    {"type": "llm-rubric", "value": "kind", "threshold": 0.8},
                    {"type": "factuality", "value": "the {{q}}"},
                    {"type": "model-graded-closedqa", "value": "short"},
                    {"type": "similar", "value": "{{q}}", "threshold": 0.6},
                    {"type": "not-similar:cosine", "value": "{{q}}", "threshold": 0.6},
                ],
            }
        ],
    }
    (tmp_path / "p.txt").write_text("One {{ q }}\n---\nTwo {{q}}\n")
    path = tmp_path / "promptfooconfig.json"
    path.write_text(json.dumps(config))
    made = convert_promptfoo(path)
    (tmp_path / "eval.yaml").write_text(made.text())
    file = read_eval_file(tmp_path / "eval.yaml")
    criteria = criteria_of(made)

    assert made.document["models"] == [
        {"model": "gpt-4.1-mini", "sampling_params": {"temperature": 0}},
        {"model": "claude-x", "name": "big", "sampling_params": {"temperature": 0.5}},
    ]
    assert made.document["prompts"] == {
        "p": "One {{ item.q }}",
        "p 2": "Two {{ item.q }}",
        "chat": [{"role": "user", "content": "{{ item.q }}"}],
    }
    assert [item["q"] for item in items_of(made)] == ["a", "b"]
    assert file.repeats == 3
    assert [(each["type"], each.get("model")) for each in criteria] == [
        ("label_model", "judge"),
        ("label_model", "other"),
        ("score_model", "judge"),
        ("label_model", "judge"),
        ("label_model", "judge"),
        ("text_similarity", None),
        ("multi", None),
    ]
    assert [each.get("passing_labels") for each in criteria[:2]] == [["pass"], ["fail"]]
    assert criteria[3]["passing_labels"] == ["subset", "superset", "equal", "immaterial"]
    assert (criteria[2]["pass_threshold"], criteria[6]["pass_threshold"]) == (0.8, 0.4)
    assert [each for each in made.left_out if "apiKey" in each] != []
    assert "secret" not in made.text()


@pytest.mark.parametrize(
    ("assertion", "reason"),
    [
        ({"type": "javascript", "value": "true"}, "graders are written in Python"),
        ({"type": "latency", "threshold": 5}, "no criterion sees them"),
        ({"type": "rouge-n", "value": "a"}, "it splits words in another way"),
        ({"type": "contains", "value": "{% if a %}b{% endif %}"}, "templates only name values here"),
        ({"type": "contains", "value": "a", "transform": "output.x"}, "code of JavaScript"),
        ({"type": "regex", "value": "\\p{L}"}, "no equal in Python"),
        ({"type": "is-json", "value": {"format": "date"}}, "'format', which is not checked here"),
        ({"type": "python", "value": "context['prompt'] == output"}, "reads prompt of the context"),
        ({"type": "python", "value": "output ="}, "is not Python"),
        ({"type": "contains", "value": "file://value.js"}, "nothing is executed here"),
        ({"type": "surprise"}, "surprise has no grader"),
    ],
)
def test_an_assertion_without_a_grader_is_left_out_with_its_place_and_the_reason(
    tmp_path: Path, assertion: JsonObject, reason: str
) -> None:
    other: JsonObject = {"type": "contains", "value": "x"}
    made = converted(tmp_path, {"prompts": ["p"], "tests": [{"vars": {"n": 1}, "assert": [other, assertion]}]})

    assert [each["name"] for each in criteria_of(made)] == ["contains"]
    (said,) = made.left_out
    assert said.startswith("promptfooconfig.json:1, tests[0].assert[1]: ")
    assert reason in said


def test_tests_are_read_from_csv_files(tmp_path: Path) -> None:
    rows = (
        "country,__expected1,__expected2,__metric\n"
        'France,icontains: paris,,found\nSpain,"contains-any: Madrid,Spain",levenshtein(3): Madrid,found\n'
    )
    made = converted(tmp_path, {"prompts": ["{{country}}"], "tests": "file://tests.csv"}, tests__csv=rows)

    assert [item["country"] for item in items_of(made)] == ["France", "Spain"]
    assert [each["name"] for each in criteria_of(made)] == ["found", "found 2", "found 3"]
    assert [passes(each, items_of(made)[1], "Madri") for each in criteria_of(made)] == [True, False, True]


@pytest.mark.parametrize("name", ["match", "includes", "includes-any-case", "fuzzy", "json"])
def test_an_eval_of_oaieval_gives_the_verdicts_that_oaieval_gave(name: str) -> None:
    made = convert_openai_evals(OAIEVAL / "evals" / "capitals.yaml", f"capitals-{name}", None, ["m"], "j")
    verdicts = json.loads((OAIEVAL / "verdicts.json").read_text())[name]
    (criterion,) = criteria_of(made)

    assert made.left_out == []
    assert {True, False} == set(verdicts)
    assert [passes(criterion, item, item["answer"]) for item in items_of(made)] == verdicts


def test_a_judge_of_oaieval_asks_about_the_input_the_answer_and_what_the_eval_says(tmp_path: Path) -> None:
    made = convert_openai_evals(OAIEVAL / "evals" / "capitals.yaml", "capitals-judged", None, ["m"], "j")
    (criterion,) = criteria_of(made)
    written = tmp_path / "eval.yaml"
    written.write_text(made.text())

    assert read_eval_file(written).name == "capitals-judged"
    assert (criterion["labels"], criterion["passing_labels"]) == (["Y", "N"], ["Y"])
    assert criterion["input"][0]["content"] == (
        "Task: {{ item.input_text }}\nAnswer: {{ sample.output_text }}\nExpert: {{ item.ideal }}\n"
        "Criterion: It names the capital. Write it as {answer}."
    )
    assert items_of(made)[0]["input_text"] == "Answer briefly.\nUser: Capital of France? (1)\n"


def test_an_eval_of_oaieval_that_cannot_be_converted_is_refused_with_the_reason(tmp_path: Path) -> None:
    evals = OAIEVAL / "evals" / "capitals.yaml"
    for name, data, reason in (
        ("capitals-own", None, "'mine.capitals:Capitals', which is code of its own"),
        (None, None, "has 7 evals; choose one with --eval: capitals-match"),
        ("capital", None, "has no eval 'capital'"),
        ("capitals-match", tmp_path, "--data says which directory has the samples"),
    ):
        with pytest.raises(ConversionError, match=reason):
            convert_openai_evals(evals, name, data, ["m"], "j")


def test_templates_only_name_variables() -> None:
    assert to_template("{{ a }} {{b.c[0]['d e']}}") == "{{ item.a }} {{ item.b.c[0]['d e'] }}"
    assert render("{{a|upper}} {{b}} {{c}} {{d}}", {"a": "x", "b": 5.0, "c": None, "d": [1, True]}) == "X 5  1,true"
    for text in ("{{ a + 1 }}", "{% raw %}", "{{ env.KEY }}", "{{ a | upper }}", "{{- a }}"):
        with pytest.raises(ConversionError):
            to_template(text)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a$", "a\n", False),
        ("^a.b$", "a\u2028b", False),
        (r"^\s$", "\u00a0", True),
        (r"^[\s]$", "\x1c", False),
        (r"^\w$", "é", False),
        (r"[[a]", "[", True),
        (r"^[^]$", "\n", True),
        (r"(?<a>x)\k<a>", "xx", True),
        (r"\/", "/", True),
        ("[]", "a", False),
    ],
)
def test_a_pattern_matches_what_it_matches_in_javascript(pattern: str, text: str, matches: bool) -> None:
    import re  # noqa: PLC0415

    assert (re.search(to_python(pattern), text, re.ASCII) is not None) is matches
