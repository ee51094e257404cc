"""Facts about how eval files are read, and about what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from evalhaven.eval_files.problems import EvalFileError
from evalhaven.eval_files.reading import read_eval_file
from evalhaven.eval_files.variants import variants_of
from tests.unit.eval_files.written_files import CRITERION, ROWS, write, write_json

WHOLE = """\
name: Capitals
metadata: {team: geography}
data: rows.jsonl
models: [scripted, {model: gpt-4.1, name: big, sampling_params: {temperature: 0}}]
prompts:
  first: [{role: user, content: "{{ item.question }}"}]
  second: {path: prompts/second.md}
  third: {path: prompts/third.yaml}
sampling_params: {temperature: 1, top_p: 0.5}
repeats: 2
testing_criteria:
  - {type: string_check, name: exact, input: "{{ sample.output_text }}", operation: eq, reference: "{{ item.answer }}"}
  - {type: python, name: code, source: {path: grade.py}}
policy: {margin: 0.02}
baseline: big · first
"""
GRADER = "def grade(sample, item):\n    return 1.0\n"


def problems_of(path: Path) -> list[str]:
    """Return what is wrong with a file, each with its line."""
    with pytest.raises(EvalFileError) as caught:
        read_eval_file(path)
    return [f"{each.path.name}:{each.line}: {each.message}" for each in caught.value.problems]


def only_problem(path: Path) -> str:
    """Return the one thing that is wrong with a file."""
    (found,) = problems_of(path)
    return found


def write_whole(directory: Path, text: str = WHOLE) -> Path:
    write(directory, "rows.jsonl", '{"question": "Capital of France?", "answer": "Paris"}\n')
    write(directory, "prompts/second.md", "Tell me:\n\n{{ item.question }}\n")
    write(directory, "prompts/third.yaml", "- {role: system, content: Be short.}\n- {role: user, content: Hi}\n")
    write(directory, "grade.py", GRADER)
    return write(directory, "eval.yaml", text)


def test_a_file_is_read_with_the_files_that_it_names(tmp_path: Path) -> None:
    file = read_eval_file(write_whole(tmp_path))

    assert (file.name, file.repeats, file.data_source_type) == ("Capitals", 2, "completions")
    assert file.input_messages["second"]["template"] == [{"role": "user", "content": "Tell me:\n\n{{ item.question }}"}]
    assert file.input_messages["third"]["template"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hi"},
    ]
    assert file.testing_criteria[1].sent["source"] == GRADER
    names = {each.name for each in file.read_paths}
    assert names == {"eval.yaml", "rows.jsonl", "second.md", "third.yaml", "grade.py"}


def test_the_schema_of_items_is_derived_from_the_data(tmp_path: Path) -> None:
    rows = [{"a": "x", "b": 1, "c": None}, {"a": "y", "b": 1.5, "c": [1], "d": {"e": 1}}]
    file = read_eval_file(
        write_json(
            tmp_path,
            data=rows,
            prompts={"p": "{{ item.a }}"},
            testing_criteria=[{**CRITERION, "reference": "{{ item.a }}"}],
        )
    )

    assert file.schema_of_items == {
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": "number"},
            "c": {"type": ["array", "null"]},
            "d": {"type": "object"},
        },
        "required": ["a", "b", "c"],
        "additionalProperties": False,
    }


def test_each_model_with_each_prompt_is_a_variant(tmp_path: Path) -> None:
    variants = variants_of(read_eval_file(write_whole(tmp_path)))

    assert [each.name for each in variants] == [
        f"{model} · {prompt}" for model in ("scripted", "big") for prompt in ("first", "second", "third")
    ]
    assert variants[-1].model == "gpt-4.1"
    assert variants[-1].sampling_params == {"temperature": 0, "top_p": 0.5}


@pytest.mark.parametrize(
    ("models", "prompts", "names"),
    [
        (["a"], {"p": "x"}, ["Capitals"]),
        (["a", "b"], {"p": "x"}, ["a", "b"]),
        (["a"], {"p": "x", "q": "y"}, ["p", "q"]),
        (None, None, ["Capitals"]),
    ],
)
def test_a_variant_is_called_by_what_tells_it_apart(tmp_path: Path, models: Any, prompts: Any, names: Any) -> None:
    file = read_eval_file(write_json(tmp_path, models=models, prompts=prompts))
    assert [each.name for each in variants_of(file)] == names


def test_all_that_is_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = (
        WHOLE.replace("repeats: 2", "repeat: 2")
        .replace("margin: 0.02", "margn: 0.02, margin: 0.02, criteria: {exat: {}}")
        .replace("{temperature: 0}", "{temprature: 0}")
        .replace('role: user, content: "{{ item.question', 'role: user, content: "{{ item.qestion')
        .replace("prompts/second.md", "prompts/secnd.md")
        .replace("type: string_check, name", "type: string_chek, name")
        .replace("baseline: big", "baseline: bg")
    )
    path = write_whole(tmp_path, text)
    write(tmp_path, "grade.py", "x = 1\ndef grade(sample, item:\n")
    write(tmp_path, "prompts/third.yaml", "- {role: user, content: Hi}\n- {role: user, contnt: Hi}\n")

    found = problems_of(path)

    assert [each.split(": ")[0] for each in found] == [
        "eval.yaml:4", "eval.yaml:6", "eval.yaml:7", "eval.yaml:10", "eval.yaml:12", "eval.yaml:14", "eval.yaml:14",
        "eval.yaml:15", "grade.py:2", "third.yaml:2",
    ]  # fmt: skip
    said = "\n".join(found)
    for meant in ("'temperature'", "'repeats'", "'margin'", "'exact'", "'big · first'", "'second.md'"):
        assert f"Did you mean {meant}?" in said
    assert "the item schema has no field 'qestion' (it has: answer, question)" in said
    assert "must be one of 'string_check'" in said
    assert "is not valid Python" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [1\nb: 2", "eval.yaml:2: This is not valid YAML: expected ',' or ']'"),
        ("a: 1\n---\nb: 2\n", "eval.yaml:2: This is not valid YAML: another document begins"),
        ("name: x\nname: y\n", "eval.yaml:2: The key 'name' stands here twice, first in line 1; keep one."),
        ("name: {{ item.x }}\n", "eval.yaml:1: A text that contains {{ … }} must stand in quotes"),
        ("name: !secret x\n", "eval.yaml:1: The tag !secret has no meaning here"),
        ("name: .nan\n", "eval.yaml:1: .nan is not a number that JSON has"),
        ("- a\n", "eval.yaml:1: The file must be an object"),
        ("", "eval.yaml:1: The file must be an object"),
        ("a: &a [*a]\n", "eval.yaml:1: This alias is part of what it stands for."),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert problems_of(write(tmp_path, "eval.yaml", text))[0].startswith(expected)


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    lines = ["a: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]" for level in range(1, 8)]
    assert "aliases multiply" in only_problem(write(tmp_path, "eval.yaml", "\n".join(lines)))


def test_values_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    row = "{on: on, day: 2024-01-01, oct: 010, hex: 0x10, big: 123456789012345678901, f: 1e3, n: ~, t: true}"
    criterion = "{type: string_check, name: n, input: a, operation: eq, reference: a}"
    text = f"name: x\ndata: [{row}]\ntesting_criteria: [{criterion}]\n"
    file = read_eval_file(write(tmp_path, "eval.yaml", text))

    assert file.data == [
        {"on": "on", "day": "2024-01-01", "oct": 10, "hex": 16, "big": 123456789012345678901, "f": 1000.0, "n": None,
         "t": True}
    ]  # fmt: skip


def test_json_is_read_with_lines_and_to_the_last_digit(tmp_path: Path) -> None:
    path = write_json(tmp_path, data=[{"question": "\U0001f600", "answer": 0.1, "n": 12345678901234567890}])
    assert read_eval_file(path).data == [{"question": "\U0001f600", "answer": 0.1, "n": 12345678901234567890}]

    write_json(tmp_path, policy={"margin": 0.02}, polcy=1)
    assert only_problem(path).endswith("Unknown key 'polcy'. Did you mean 'policy'?")
    path.write_text('{"name": "a",\n "name": 1,}')
    assert only_problem(path).startswith("eval.json:2: This is not valid JSON")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"models": None}, "'models' is required together with 'prompts'"),
        ({"type": "jsonl"}, "'models' has no effect where 'type' is jsonl"),
        ({"metadata": {"evalhaven_x": "1"}}, "is a key that Evalhaven writes"),
        ({"metadata": {str(n): "1" for n in range(13)}}, "must have at most 12 pairs"),
        ({"data": "rows.txt"}, "does not exist"),
        ({"data": []}, "'data' must have at least 1 entry"),
        ({"data": [*ROWS, {"item": {}}]}, "This row has the key 'item' or 'sample', while the first (line 1) does not"),
        ({"data": [{"item": 1}]}, "must have the item, an object, as 'item'"),
        ({"item_schema": {"type": "objekt"}}, "'item_schema' is not a valid JSON Schema"),
        ({"item_schema": {"type": "object", "required": ["id"]}}, "The item does not match 'item_schema'"),
        ({"models": ["a", "a"]}, "Two variants are called 'a'"),
        ({"models": [1]}, "must be the name of a model, or an object with the key 'model'"),
        ({"testing_criteria": [CRITERION, CRITERION]}, "Two testing criteria are called 'exact'"),
        ({"testing_criteria": []}, "'testing_criteria' must have at least 1 entry"),
        ({"policy": {}}, "The policy asks for nothing"),
        ({"policy": {"margin": 0, "key": ["id"]}}, "Items have no field 'id'"),
        ({"sampling_params": {"temperature": "warm"}}, "'temperature' must be a number"),
        ({"sampling_params": {"top_k": 1}}, "Unknown key 'top_k'"),
        ({"type": "responses", "sampling_params": {"response_format": {"type": "text"}}}, "'response_format'"),
        ({"prompts": {"p": {"path": "p.doc"}}}, "does not exist"),
        ({"prompts": {"p": "{{ sample.output_text }}"}}, "'sample' does not exist before the model has answered"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_the_cure(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    assert any(expected in each for each in problems_of(write_json(tmp_path, **changes)))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in only_problem(tmp_path / "eval.yaml")
