"""What can be wrong with an eval file that fits its format: templates, formulas, rows, names."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import TypeAdapter

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import RUN_PREFIXES
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.template_checks import criteria_cautions, input_message_cautions
from evalhaven.eval_files.format import BASELINE_WORDS, EvalFile, ModelOfFile
from evalhaven.eval_files.item_schemas import derive_item_schema
from evalhaven.eval_files.located import Located, Place
from evalhaven.eval_files.problems import EvalFileError, Problem
from evalhaven.eval_files.rows import is_bare, normal_rows, numbered_rows
from evalhaven.eval_files.variants import variants_of
from evalhaven.graders.multi import refuse_formula
from evalhaven.graders.python.criteria import python_criteria
from evalhaven.graders.python.source_check_main import find_problem
from evalhaven.wire.data_sources import RunDataSource
from evalhaven.wire.requests import find_faults, find_unknown
from evalhaven.wire.sampling_params import CompletionsSamplingParams, ResponsesSamplingParams

_SHOWN_ROWS = 10
_DATA_SOURCE: TypeAdapter[RunDataSource] = TypeAdapter(RunDataSource)


def check_file(
    file: EvalFile, document: Located, python_paths: Mapping[Place, Path], faulty: Collection[str] = ()
) -> list[Problem]:
    """Return what is wrong, and note in the file the schema that its data gives.

    Args:
        file: The file, whose parts fit their models.
        document: The same, with its lines.
        python_paths: Where the sources of python graders stand that have files of their own, by their places.
        faulty: Keys of the document that are known to be wrong, in whose place something harmless stands.
    """
    problems: list[Problem] = []
    if not {"data", "item_schema"} & set(faulty):
        problems += _problems_of_rows(file, document)
        problems += [] if problems else _problems_of_templates(file, document)
    problems += _problems_of_params(file, document)
    problems += _problems_of_graders(file, document, python_paths)
    if not {"models", "prompts", "name"} & set(faulty):
        problems += _problems_of_variants(file, document)
    return [*problems, *_problems_of_policy(file, document)]


def _problems_of_rows(file: EvalFile, document: Located) -> Iterator[Problem]:
    schema: ItemSchema | None = None
    if file.item_schema is not None:
        try:
            schema = ItemSchema(file.item_schema, "item_schema")
        except InvalidRequestError as error:
            yield document.problem(("item_schema",), error.message)
            return
    found: list[Problem] = []
    derived = derive_item_schema(_checked_items(file, document, schema, found))
    yield from found[:_SHOWN_ROWS]
    if len(found) > _SHOWN_ROWS:
        yield Problem(found[0].path, None, f"There are problems in {len(found) - _SHOWN_ROWS:,} more rows.")
    file.note_contents(file.input_messages, derived)


def _checked_items(
    file: EvalFile, document: Located, schema: ItemSchema | None, found: list[Problem]
) -> Iterator[JsonObject]:
    """Yield the item of each row, and note what is wrong with rows."""
    are_bare: bool | None = None
    first = 0
    try:
        for number, row in numbered_rows(file):
            if are_bare is None:
                are_bare, first = is_bare(row), number
            problem = _problem_of_row(row, are_bare, first)
            item = row if are_bare else row.get("item")
            if problem is None and isinstance(item, dict):
                if schema is not None and not schema.is_valid(item):
                    problem = f"The item does not match 'item_schema': {'; '.join(schema.problems(item))}."
                yield item
            if problem is not None:
                found.append(_place_of_row(file, document, number, problem))
    except EvalFileError as error:
        found += error.problems
        return
    if are_bare is None:
        message = "There is no row in the data."
        path = file.data_path
        found.append(document.problem(("data",), message) if path is None else Problem(path, None, message))


def _problem_of_row(row: JsonObject, are_bare: bool, first: int) -> str | None:
    if are_bare != is_bare(row):
        here, there = (
            ("is an item", "has the key 'item'") if is_bare(row) else ("has the key 'item' or 'sample'", "does not")
        )
        return f"This row {here}, while the first (line {first}) {there}; write all rows alike."
    if are_bare:
        return None
    if not isinstance(row.get("item"), dict):
        return "A row with a sample must have the item, an object, as 'item'."
    if not isinstance(row.get("sample", {}), dict | None):
        return "The 'sample' of a row must be an object or absent."
    return None


def _place_of_row(file: EvalFile, document: Located, number: int, message: str) -> Problem:
    if file.data_path is None:
        return document.problem(("data", number - 1), message)
    if file.data_path.suffix.lower() == ".parquet":
        return Problem(file.data_path, None, f"Row {number}: {message}")
    return Problem(file.data_path, number, message)


def _problems_of_templates(file: EvalFile, document: Located) -> Iterator[Problem]:
    for caution in criteria_cautions(file.testing_criteria, file.schema_of_items):
        yield document.problem(_place_of(caution.pointer, document.value), caution.message)
    for name, messages in file.input_messages.items():
        source: JsonObject = {"type": "file_content", "content": []}
        sent: JsonObject = {"type": "completions", "model": "any", "source": source, "input_messages": messages}
        for caution in input_message_cautions(_DATA_SOURCE.validate_python(sent), file.schema_of_items):
            inside = caution.pointer.removeprefix("/data_source/input_messages/template").split("/")[1:]
            place: Place = ("prompts", name, *(int(step) if step.isdecimal() else step for step in inside))
            yield document.problem(place, caution.message)


def _place_of(pointer: str, root: JsonValue) -> Place:
    """Return the place at a JSON pointer."""
    place: Place = ()
    here = root
    for step in pointer.split("/")[1:]:
        key: str | int = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list) and step.isdecimal():
            key = int(step)
            here = here[key] if key < len(here) else None
        else:
            here = here.get(str(key)) if isinstance(here, dict) else None
        place = (*place, key)
    return place


def _problems_of_params(file: EvalFile, document: Located) -> Iterator[Problem]:
    """Yield what is wrong with sampling parameters, whose form depends on the type of the data source."""
    kind = ResponsesSamplingParams if file.data_source_type == "responses" else CompletionsSamplingParams
    for place, params in _all_params(file):
        for fault in find_faults(TypeAdapter(kind), params):
            yield document.problem((*place, *fault.path), f"'{place[-1]}' {fault.message}")
            return
        for unknown in find_unknown(kind.model_validate(params), place):
            key = str(unknown.path[-1])
            near = get_close_matches(key, unknown.known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else " Keys that only some endpoints know go to 'extra_body'."
            yield document.problem(unknown.path, f"Unknown key {key!r}.{hint}")


def _all_params(file: EvalFile) -> Iterator[tuple[Place, object]]:
    if file.sampling_params is not None:
        yield ("sampling_params",), file.sampling_params
    for index, model in enumerate(file.models or ()):
        if isinstance(model, ModelOfFile) and model.sampling_params is not None:
            yield ("models", index, "sampling_params"), model.sampling_params


def _problems_of_graders(file: EvalFile, document: Located, paths: Mapping[Place, Path]) -> Iterator[Problem]:
    names: set[str] = set()
    for index, criterion in enumerate(file.testing_criteria):
        place: Place = ("testing_criteria", index)
        try:
            refuse_formula(criterion, f"testing_criteria[{index}]")
        except InvalidRequestError as error:
            yield document.problem((*place, "calculate_output"), error.message)
        if criterion.name in names:
            message = f"Two testing criteria are called {criterion.name!r}; name each otherwise."
            yield document.problem((*place, "name"), message)
        names.add(criterion.name)
    for each in python_criteria(file.testing_criteria):
        problem = find_problem(each.source)
        place = (*each.path, "source")
        if problem is not None and place in paths:
            yield Problem(paths[place], problem[0], f"The grader {problem[1]}.")
        elif problem is not None:
            line = "" if problem[0] is None else f" (line {problem[0]} of it)"
            yield document.problem(place, f"'source' {problem[1]}{line}.")


def _problems_of_variants(file: EvalFile, document: Located) -> Iterator[Problem]:
    variants = variants_of(file)
    names = [each.name for each in variants]
    for index, variant in enumerate(variants):
        if variant.name in names[:index]:
            prompts = len(file.prompts or {}) or 1
            message = f"Two variants are called {variant.name!r}; give one of the models a 'name' of its own."
            yield document.problem(("models", index // prompts), message)
    word = file.baseline_word
    if word in BASELINE_WORDS or word in names or word.startswith(RUN_PREFIXES) or (file.path.parent / word).is_file():
        return
    known = [*BASELINE_WORDS, *(names if len(names) > 1 else [])]
    near = get_close_matches(word, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"It may be {_listed(known)}, the id of a run, or a JSONL file."
    yield document.problem(("baseline",), f"There is no baseline {word!r}. {hint}")


def _problems_of_policy(file: EvalFile, document: Located) -> Iterator[Problem]:
    if file.policy is None:
        return
    if file.policy.margin is None and file.policy.threshold is None and not file.policy.criteria:
        message = "The policy asks for nothing: give it a 'margin', a 'threshold' or 'criteria'."
        yield document.problem(("policy",), message)
    names = [each.name for each in file.testing_criteria]
    for name in file.policy.criteria or {}:
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {_listed(names)}."
            yield document.problem(("policy", "criteria", name), f"No testing criterion is called {name!r}. {hint}")
    properties = file.schema_of_items.get("properties")
    if not isinstance(properties, dict) or file.schema_of_items.get("additionalProperties") is not False:
        return
    named = [("key", each) for each in file.policy.key or ()]
    named += [("cluster", file.policy.cluster)] if file.policy.cluster else []
    for word, field in named:
        if field.split(".")[0].split("[")[0] not in properties:
            message = f"Items have no field {field!r}. They have {_listed(properties)}."
            yield document.problem(("policy", word), message)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def items_of(file: EvalFile) -> Iterator[JsonObject]:
    """Yield the items of a file's data."""
    for row in normal_rows(numbered_rows(file)):
        item = row.get("item")
        if isinstance(item, dict):
            yield item
