"""An eval file, read with the files that it names; all that is wrong is found at once."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.eval_files.checks import check_file
from evalhaven.eval_files.format import EvalFile, FileReference
from evalhaven.eval_files.located import Located, Place, is_file_there, parse_document, read_text
from evalhaven.eval_files.problems import EvalFileError, Problem
from evalhaven.eval_files.unknown_keys import find_unknown_beside
from evalhaven.wire.graders import TestingCriterion
from evalhaven.wire.messages import EvalItem, InputMessagesItemReference
from evalhaven.wire.requests import Fault, find_faults, find_unknown

FILE_FORMS = (".yaml", ".yml", ".json")
"""How the names of eval files end."""

_FILE = TypeAdapter(EvalFile)
_CRITERION: TypeAdapter[TestingCriterion] = TypeAdapter(TestingCriterion)
_MESSAGES = TypeAdapter(list[EvalItem])
_TEXTS, _DOCUMENTS = (".md", ".txt"), (".yaml", ".yml", ".json")
_CRITERIA, _PROMPTS = "testing_criteria", "prompts"
_NEEDED: JsonObject = {"name": "none", "data": [{}]}
_SHOWN_KEYS, _SHOWN_NAME = 12, 80


def read_eval_file(path: Path) -> EvalFile:
    """Return what an eval file says.

    Args:
        path: The file.

    Raises:
        EvalFileError: It, or a file that it names, cannot be used; all problems are listed.
    """
    document = parse_document(path, read_text(path))
    if not isinstance(document.value, dict):
        message = "The file must be an object with the keys 'name', 'data' and 'testing_criteria'."
        raise EvalFileError([document.problem((), message)])
    reader = _Reader(document, document.value)
    file, faulty = reader.read()
    problems = reader.problems
    if file is not None:
        problems += check_file(file, document, reader.python_paths, faulty)
    if file is None or problems:
        raise EvalFileError(sorted(dict.fromkeys(problems), key=lambda each: _order(each, path)))
    return file


def _order(problem: Problem, path: Path) -> tuple[bool, str, int]:
    return problem.path != path, str(problem.path), problem.line or 0


class _Reader:
    """Reads one file and those that it names."""

    def __init__(self, document: Located, written: JsonObject) -> None:
        self._document = document
        self._written = written
        self._read_paths = [document.path]
        self.python_paths: dict[Place, Path] = {}
        self.problems: list[Problem] = []

    def read(self) -> tuple[EvalFile | None, frozenset[str]]:
        """Return the file as a model, as far as it fits, and the keys that do not; None if nothing does."""
        resolved = {**self._written}
        criteria = self._written.get(_CRITERIA)
        if isinstance(criteria, list):
            resolved[_CRITERIA] = [self._with_sources(each, (_CRITERIA, index)) for index, each in enumerate(criteria)]
        faults = find_faults(_FILE, resolved)
        # The first fault of a list hides those that follow.
        if isinstance(criteria, list):
            faults = [each for each in faults if each.path[:1] != (_CRITERIA,) or len(each.path) == 1]
            faults += list(self._faults_of_criteria(cast("list[JsonValue]", resolved[_CRITERIA])))
        self.problems += [self._problem_of(each) for each in faults]
        for each in find_unknown_beside(resolved, faults):
            self._note_unknown(each.path, each.known)
        usable = _usable_part(resolved, faults) if faults else resolved
        if find_faults(_FILE, usable):
            return None, frozenset()
        file = _FILE.validate_python(usable)
        for each in find_unknown(file):
            self._note_unknown(each.path, each.known)
        self._read_others(file)
        faulty = {str(each.path[0]) for each in faults if each.path}
        if isinstance(file.data, str) and file.data_path is None:
            faulty.add("data")
        return file, frozenset(faulty)

    def _read_others(self, file: EvalFile) -> None:
        """Read the files that the file names, except its data."""
        messages = {name: self._messages_of(prompt, (_PROMPTS, name)) for name, prompt in (file.prompts or {}).items()}
        data_path = self._data_path(file)
        file.note_origin(self._document.path, tuple(dict.fromkeys(self._read_paths)), data_path)
        file.note_contents({name: each for name, each in messages.items() if each is not None}, {})

    def _faults_of_criteria(self, criteria: list[JsonValue]) -> Iterator[Fault]:
        for index, each in enumerate(criteria):
            for fault in find_faults(_CRITERION, each):
                yield Fault((_CRITERIA, index, *fault.path), fault.complaint)

    def _problem_of(self, fault: Fault) -> Problem:
        if not fault.path:
            return self._document.problem((), f"The file {fault.complaint}.")
        return self._document.problem(fault.path, fault.message)

    def _note_unknown(self, place: Place, known: tuple[str, ...]) -> None:
        self.problems.append(self._document.problem(place, unknown_key_message(str(place[-1]), known)))

    def _with_sources(self, value: JsonValue, place: Place) -> JsonValue:
        """Return a grader with the text of each python source that is given by its path."""
        if isinstance(value, list):
            return [self._with_sources(each, (*place, index)) for index, each in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if value.get("type") == "python" and isinstance(value.get("source"), dict):
            at = (*place, "source")
            text = self._text_at(cast("JsonObject", value["source"]), at, python=True)
            return {**value, "source": "def grade(sample, item): return 0" if text is None else text}
        if "graders" in value:
            return {**value, "graders": self._with_sources_of_parts(value["graders"], (*place, "graders"))}
        return value

    def _with_sources_of_parts(self, value: JsonValue, place: Place) -> JsonValue:
        if isinstance(value, dict) and not isinstance(value.get("type"), str):
            return {name: self._with_sources(each, (*place, name)) for name, each in value.items()}
        return self._with_sources(value, place)

    def _text_at(self, reference: JsonObject, place: Place, *, python: bool = False) -> str | None:
        """Return the text of a file that is named by `{path: FILE}`; None if there is a problem."""
        for fault in find_faults(TypeAdapter(FileReference), reference):
            self.problems.append(self._problem_of(Fault((*place, *fault.path), fault.complaint)))
            return None
        for key in reference.keys() - {"path"}:
            self._note_unknown((*place, key), ("path",))
        path = self._path_at(str(reference["path"]), (*place, "path"))
        if path is None:
            return None
        if python:
            self.python_paths[place] = path
        try:
            return read_text(path)
        except EvalFileError as error:
            self.problems += error.problems
            return None

    def _path_at(self, name: str, place: Place) -> Path | None:
        """Return a file that is named relative to this one, and note that it is read; None if there is none."""
        path = self._document.path.parent / name
        if not is_file_there(path):
            near = get_close_matches(path.name, _names_in(path.parent), 1)
            hint = f" Did you mean {near[0]!r}?" if near and near[0] != path.name else ""
            where = "Paths begin at the directory of the eval file."
            shown = name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}…"
            message = f"The file {shown!r} {_why_no_file(path)}.{hint} {where}"
            self.problems.append(self._document.problem(place, message))
            return None
        self._read_paths.append(path)
        return path

    def _messages_of(self, prompt: object, place: Place) -> JsonObject | None:
        """Return the `input_messages` of a prompt; None if there is a problem."""
        if isinstance(prompt, InputMessagesItemReference):
            return prompt.sent
        if isinstance(prompt, str):
            return _template([{"role": "user", "content": prompt}])
        if not isinstance(prompt, FileReference):
            return _template([each.sent for each in cast("list[EvalItem]", prompt)])
        path = self._document.path.parent / prompt.path
        text = self._text_at(prompt.sent, place)
        if text is not None and path.suffix.lower() in _DOCUMENTS:
            return self._messages_in(path, text)
        if text is not None and path.suffix.lower() not in _TEXTS:
            forms = ", ".join((*_TEXTS, *_DOCUMENTS))
            message = f"The name of a prompt's file must end in one of {forms}, but it is {path.name!r}."
            self.problems.append(self._document.problem((*place, "path"), message))
        return None if text is None else _template([{"role": "user", "content": text.rstrip("\n")}])

    def _messages_in(self, path: Path, text: str) -> JsonObject | None:
        try:
            document = parse_document(path, text)
        except EvalFileError as error:
            self.problems += error.problems
            return None
        faults = find_faults(_MESSAGES, document.value)
        if not faults and not document.value:
            faults = [Fault((), "has no message")]
        for fault in faults:
            message = fault.message if fault.path else f"The file {fault.complaint}; write a list of messages."
            self.problems.append(document.problem(fault.path, message))
        if faults:
            return None
        messages = _MESSAGES.validate_python(document.value)
        for index, each in enumerate(messages):
            for unknown in find_unknown(each, (index,)):
                message = unknown_key_message(str(unknown.path[-1]), unknown.known)
                self.problems.append(document.problem(unknown.path, message))
        return _template([each.sent for each in messages])

    def _data_path(self, file: EvalFile) -> Path | None:
        if not isinstance(file.data, str):
            return None
        path = self._path_at(file.data, ("data",))
        if path is not None and path.suffix.lower() not in (".jsonl", ".csv", ".parquet"):
            message = f"The name of a data file must end in .jsonl, .csv or .parquet, but it is {file.data!r}."
            if path.suffix.lower() == ".json":
                message += " In JSONL each line is one object."
            self.problems.append(self._document.problem(("data",), message))
            return None
        return path


def _usable_part(resolved: JsonObject, faults: list[Fault]) -> JsonObject:
    """Return a document with something harmless in the place of what is faulty, so that the rest can be checked too."""
    usable = {**resolved}
    for fault in faults:
        key = str(fault.path[0]) if fault.path else ""
        if key in _NEEDED:
            usable[key] = _NEEDED[key]
        elif key != _CRITERIA:
            usable.pop(key, None)
    criteria = resolved.get(_CRITERIA)
    if isinstance(criteria, list) and criteria:
        usable[_CRITERIA] = [_harmless(each) if find_faults(_CRITERION, each) else each for each in criteria]
    else:
        usable[_CRITERIA] = [_harmless({})]
    if "models" not in usable:
        for key in (_PROMPTS, "type", "sampling_params", "extra_body"):
            usable.pop(key, None)
    return usable


def _harmless(criterion: JsonValue) -> JsonObject:
    name = criterion.get("name") if isinstance(criterion, dict) else None
    called = name if isinstance(name, str) else "none"
    return {"type": "string_check", "name": called, "input": "", "reference": "", "operation": "eq"}


def unknown_key_message(key: str, known: tuple[str, ...]) -> str:
    """Return what is wrong with a key that nobody knows, and which one was meant."""
    near = get_close_matches(key, known, 1, 0.6)
    if near:
        return f"Unknown key {key!r}. Did you mean {near[0]!r}?"
    more = ", …" if len(known) > _SHOWN_KEYS else ""
    return f"Unknown key {key!r}. Known here are {', '.join(known[:_SHOWN_KEYS])}{more}."


def _template(messages: list[JsonObject]) -> JsonObject:
    return {"type": "template", "template": cast("list[JsonValue]", messages)}


def _why_no_file(path: Path) -> str:
    try:
        return "is a directory" if path.is_dir() else "is no file" if path.exists() else "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _names_in(directory: Path) -> list[str]:
    try:
        return [each.name for each in directory.iterdir()]
    except OSError:
        return []
