"""Evals of the OpenAI Evals framework (oaieval), from a YAML file of its registry, as an eval file."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.eval_files.located import parse_document, read_text
from evalhaven.importers.conversion.made import Conversion, ConversionError

_OUTPUT = "{{ sample.output_text }}"
_MATCH = """\
def grade(sample, item):
    text = sample.get("output_text") or ""
    return float(any(text.startswith(each) for each in IDEAL))
"""
_INCLUDES = """\
def grade(sample, item):
    text = sample.get("output_text") or ""
    return float(any(each in text for each in IDEAL))
"""
_INCLUDES_ANY_CASE = """\
def grade(sample, item):
    text = (sample.get("output_text") or "").lower()
    return float(any(each.lower() in text for each in IDEAL))
"""
_FUZZY = """\
import re
import string

def normal(text):
    letters = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\\b(a|an|the)\\b", " ", letters).split())

def alike(one, other):
    if not one or not other:
        return one == other
    return one in other or other in one

def grade(sample, item):
    text = normal(sample.get("output_text") or "")
    return float(any(alike(text, normal(each)) for each in IDEAL))
"""
_JSON = """\
import json

def same(one, other):
    if one is None or other is None:
        return False
    if isinstance(one, dict):
        return isinstance(other, dict) and all(same(one.get(key), other.get(key)) for key in one.keys() | other.keys())
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return one == other

def grade(sample, item):
    try:
        found = json.loads(sample.get("output_text") or "")
    except ValueError:
        return 0.0
    return float(any(same(found, json.loads(each)) for each in IDEAL))
"""
_BASIC = {"Match": _MATCH, "Includes": _INCLUDES, "FuzzyMatch": _FUZZY, "JsonMatch": _JSON}
_KNOWN_ARGS = {
    "Match": {"samples_jsonl", "num_few_shot", "few_shot_jsonl", "max_tokens"},
    "Includes": {"samples_jsonl", "ignore_case", "max_tokens"},
    "FuzzyMatch": {"samples_jsonl", "max_tokens"},
    "JsonMatch": {"samples_jsonl", "max_tokens"},
    "ModelBasedClassify": {"samples_jsonl", "modelgraded_spec", "modelgraded_spec_args", "eval_type", "sample_kwargs"},
}
_LIMITS = {"FuzzyMatch": 100, "JsonMatch": 512, "ModelBasedClassify": 1024}
_FACT_PASSES = "ABCE"
_PREFIXES = {"system": "", "example_user": "User: ", "example_assistant": "Assistant: "}
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_MOST_SHOWN = 10


def convert_openai_evals(
    path: Path, name: str | None, data: Path | None, models: Sequence[str], judge: str
) -> Conversion:
    """Return an eval of a registry as an eval file.

    Args:
        path: YAML file of the registry's evals.
        name: Which of them; None if it has one.
        data: Directory of the registry's data; by default `data` beside the directory of the file.
        models: The models to ask, which the registry does not name.
        judge: The model that judges.

    Raises:
        EvalFileError: A file cannot be read.
        ConversionError: It cannot be converted; the message says why.
    """
    value = parse_document(path, read_text(path)).value
    specs = {key: each for key, each in _object(value).items() if isinstance(each, dict)}
    chosen, spec = _chosen(path, specs, name)
    kind = _text(spec.get("class")).rpartition(":")[2]
    args = _object(spec.get("args"))
    if kind not in _KNOWN_ARGS:
        known = ", ".join(_KNOWN_ARGS)
        raise ConversionError(
            f"{path}: the eval {chosen!r} is of the class {spec.get('class')!r}, which is code of its own. These "
            f"classes can be converted: {known}."
        )
    made = Conversion(f"evalhaven convert openai-evals {path.name} --eval {chosen}")
    for key in args.keys() - _KNOWN_ARGS[kind]:
        made.leave_out(f"{chosen}, args.{key}", "there is nothing like it here")
    samples = _text(args.get("samples_jsonl"))
    items = list(_items(_file(path, data, samples), made))
    if not items:
        raise ConversionError(f"{samples} has no sample that could be converted: " + "; ".join(made.left_out))
    shots = args.get("num_few_shot")
    if isinstance(shots, int) and shots > 0:
        _add_shots(items, _file(path, data, _text(args.get("few_shot_jsonl"))), shots)
    criterion = (
        _judged(path, data, args, items, judge, made) if kind == "ModelBasedClassify" else _basic(kind, args, items)
    )
    limit = args.get("max_tokens")
    parameters: JsonObject = {"temperature": 0}
    if isinstance(limit, int) or kind in _LIMITS:
        parameters["max_completions_tokens"] = limit if isinstance(limit, int) else _LIMITS[kind]
    if kind == "Includes":
        parameters = {}
    made.document = {
        "name": chosen,
        **({"metadata": {"description": _text(described)}} if (described := _described(specs, chosen)) else {}),
        "data": list[JsonValue](items),
        "models": list[JsonValue](models),
        "prompts": {"input": {"type": "item_reference", "item_reference": "item.input"}},
        **({"sampling_params": parameters} if parameters else {}),
        "testing_criteria": [criterion],
    }
    return made


def _chosen(path: Path, specs: Mapping[str, JsonObject], name: str | None) -> tuple[str, JsonObject]:
    """Return the eval that a name means: itself, or what its `id` refers to."""
    heads = [
        key for key, spec in specs.items() if "id" in spec or not any(_text(o.get("id")) == key for o in specs.values())
    ]
    if name is None and len(heads) != 1:
        shown = ", ".join(heads[:_MOST_SHOWN]) + (", …" if len(heads) > _MOST_SHOWN else "")
        raise ConversionError(f"{path} has {len(heads)} evals; choose one with --eval: {shown or 'there is none'}.")
    chosen = heads[0] if name is None else name
    spec, seen = specs.get(chosen), set[str]()
    while (
        spec is not None and "class" not in spec and isinstance(spec.get("id"), str) and _text(spec["id"]) not in seen
    ):
        seen.add(_text(spec["id"]))
        spec = specs.get(_text(spec["id"]))
    if spec is None or "class" not in spec:
        raise ConversionError(f"{path} has no eval {chosen!r}. It has: {', '.join(heads[:_MOST_SHOWN])}.")
    return chosen, spec


def _described(specs: Mapping[str, JsonObject], chosen: str) -> str:
    return _text(specs[chosen].get("description"))[:512]


def _file(path: Path, data: Path | None, name: str) -> Path:
    """Return a file of the registry's data."""
    directory = data or path.parent.parent / "data"
    for found in (directory / name, Path(name)):
        if name and found.is_file():
            return found
    raise ConversionError(f"There is no file {name!r} in {directory}. --data says which directory has the samples.")


def _items(path: Path, made: Conversion) -> Iterator[JsonObject]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            sample = _object(jsontext.parse_received(line))
        except InvalidJsonError as error:
            made.leave_out(f"{path.name}:{number}", f"it is not valid JSON: {error}")
            continue
        given = sample.get("input")
        if isinstance(given, str):
            given = list[JsonValue]([{"role": "system", "content": given}])
        if not isinstance(given, list) or not given or not all(_is_message(each) for each in given):
            made.leave_out(f"{path.name}:{number}", "its 'input' is neither a text nor a list of messages")
            continue
        ideal = sample.get("ideal")
        if "ideal" in sample and not isinstance(ideal, str | list):
            ideal = json.dumps(ideal)
        item: JsonObject = {**sample, "input": given}
        yield {**item, "ideal": ideal} if "ideal" in sample else item


def _is_message(value: JsonValue) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def _add_shots(items: list[JsonObject], path: Path, count: int) -> None:
    """Put examples before the last message of each input."""
    lines = [line for line in read_text(path).split("\n") if line.strip()][:count]
    shots = [message for line in lines for message in json.loads(line)["sample"]]
    for item in items:
        given = item["input"]
        if isinstance(given, list):
            item["input"] = [*given[:-1], *shots, *given[-1:]]


def _basic(kind: str, args: JsonObject, items: Sequence[JsonObject]) -> JsonObject:
    if not all("ideal" in item for item in items):
        raise ConversionError("Some samples have no 'ideal', which the eval compares answers with.")
    ideals = [item["ideal"] for item in items]
    are_texts = all(isinstance(ideal, str) for ideal in ideals)
    is_any_case = args.get("ignore_case") is True
    if kind == "Includes" and are_texts and not is_any_case:
        return {
            "type": "string_check",
            "name": kind,
            "input": _OUTPUT,
            "reference": "{{ item.ideal }}",
            "operation": "like",
        }
    source = _INCLUDES_ANY_CASE if kind == "Includes" and is_any_case else _BASIC[kind]
    if are_texts:
        ideal = '[item["ideal"]]'
    elif all(isinstance(each, list) for each in ideals):
        ideal = 'item["ideal"]'
    else:
        ideal = '(item["ideal"] if isinstance(item["ideal"], list) else [item["ideal"]])'
    return {"type": "python", "name": kind, "source": source.replace("IDEAL", ideal), "pass_threshold": 1}


def _judged(
    path: Path, data: Path | None, args: JsonObject, items: list[JsonObject], judge: str, made: Conversion
) -> JsonObject:
    """Return a classification by a model as a criterion."""
    name = _text(args.get("modelgraded_spec"))
    spec = _modelgraded(path, data, name)
    prompt, choices = spec.get("prompt"), spec.get("choice_strings")
    if isinstance(choices, str) and choices.startswith("from_n"):
        raise ConversionError(f"The judge {name!r} compares several answers, and a criterion sees one.")
    labels = list(choices) if isinstance(choices, str | list) else []
    scores = spec.get("choice_scores")
    if scores == "from_strings":
        scores = {str(label): float(str(label)) for label in labels}
    if isinstance(scores, dict):
        numbers = {key: value for key, value in scores.items() if isinstance(value, int | float)}
        best = max(numbers.values())
        passing = [label for label in labels if numbers.get(str(label)) == best]
        if len(set(numbers.values())) > 2:  # noqa: PLR2004 - all or nothing
            made.note(name, f"oaieval takes the mean of its scores; here {', '.join(map(str, passing))} passes")
    elif name == "fact":
        passing = [label for label in labels if str(label) in _FACT_PASSES]
        made.note(name, f"oaieval only counts the choices; here {', '.join(map(str, passing))} pass")
    else:
        raise ConversionError(
            f"The choices of the judge {name!r} have no scores, so that nothing says which of them pass."
        )
    asked = _object(spec.get("input_outputs"))
    if list(asked) != ["input"]:
        raise ConversionError(f"The judge {name!r} asks about {', '.join(asked)}, and an eval has one prompt.")
    given: list[JsonValue] = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    more = {key: _text(value) for key, value in _object(args.get("modelgraded_spec_args")).items()}
    values = {_text(asked["input"]): _OUTPUT, "input": "{{ item.input_text }}", **more}
    for item in items:
        item["input_text"] = _as_text(item["input"])
    messages: list[JsonValue] = [
        {
            "role": _text(_object(each).get("role")),
            "content": _filled(_text(_object(each).get("content")), values, items),
        }
        for each in given
    ]
    if args.get("eval_type"):
        made.note(
            name, "the judge is asked for its label as label_model asks, in place of oaieval's words about its answer"
        )
    return {
        "type": "label_model",
        "name": name,
        "model": judge,
        "input": messages,
        "labels": [str(label) for label in labels],
        "passing_labels": [str(label) for label in passing],
    }


def _modelgraded(path: Path, data: Path | None, name: str) -> JsonObject:
    places = [path.parent.parent / "modelgraded"] + ([data.parent / "modelgraded"] if data else [])
    for directory in places:
        for found in sorted(directory.glob("*.yaml")) if directory.is_dir() else ():
            spec = _object(_object(parse_document(found, read_text(found)).value).get(name))
            if spec:
                return spec
    raise ConversionError(f"There is no judge {name!r} in {places[0]}, where a registry has them.")


def _filled(text: str, values: Mapping[str, str], items: Sequence[JsonObject]) -> str:
    """Return a prompt of a judge as a template: what stands in braces is a value, or a field of the item."""

    def filled(found: re.Match[str]) -> str:
        key = found[1]
        if key is None:
            return found.group()[0]
        if key in values:
            return values[key]
        if not all(key in item for item in items):
            raise ConversionError(f"The judge asks for {key!r}, which some samples do not have.")
        return f"{{{{ item.{key} }}}}"

    return _PLACEHOLDER.sub(filled, text)


def _as_text(messages: JsonValue) -> str:
    """Return messages as one text, in the way that judges of oaieval see them."""
    given = [_object(each) for each in messages] if isinstance(messages, list) else []
    if len(given) == 1:
        return _text(given[0].get("content"))
    lines: list[str] = []
    for each in given:
        role = _text(each.get("name")) or _text(each.get("role"))
        lines.append(f"{_PREFIXES.get(role, f'{role.capitalize()}: ')}{_text(each.get('content'))}\n")
    return "".join(lines).lstrip()


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
