"""The prompts and the providers of a configuration of promptfoo."""

import json
import re
from collections.abc import Iterator, Sequence

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.eval_files.located import Place, parse_document, read_text
from evalhaven.eval_files.problems import EvalFileError
from evalhaven.importers.conversion.judges import model_of
from evalhaven.importers.conversion.made import ConversionError
from evalhaven.importers.conversion.nunjucks import js_text, names_in, to_template
from evalhaven.importers.conversion.promptfoo_source import FILE, Source, object_of

_PARAMETERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "max_tokens": "max_completions_tokens",
    "max_completion_tokens": "max_completions_tokens",
    "reasoning_effort": "reasoning_effort",
    "response_format": "response_format",
    "tools": "tools",
}
_REASONING = re.compile(r"o\d|gpt-5")
_ITEM_FIELD = re.compile(r"\{\{ item\.(.*?) \}\}")
_LONGEST_NAME = 60


class PromptReader:
    """Reads the prompts."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, items: Sequence[JsonObject]) -> JsonObject:
        """Return the prompts by name.

        Args:
            items: The items, to which a variable that only some of them have is added.
        """
        made: JsonObject = {}
        for place, label, text in self._given_prompts():
            try:
                messages = _messages(text, items)
            except ConversionError as error:
                self._source.leave_out(place, f"the prompt: {error}")
                continue
            name = " ".join((label or _last_words(messages)).split())[:_LONGEST_NAME]
            number = 2
            while name in made:
                name = f"{name.removesuffix(f' {number - 1}')} {number}"
                number += 1
            made[name] = messages
        return made

    def _given_prompts(self) -> Iterator[tuple[Place, str, str]]:
        prompts = self._source.config.get("prompts")
        if isinstance(prompts, dict):
            prompts = [{"id": path, "label": label} for path, label in prompts.items()]
        for number, prompt in enumerate(prompts if isinstance(prompts, list) else [prompts] if prompts else []):
            place = ("prompts", number) if isinstance(prompts, list) else ("prompts",)
            said = object_of(prompt)
            text = prompt if isinstance(prompt, str) else said.get("raw") or said.get("id")
            if not isinstance(text, str):
                self._source.leave_out(place, "it is not a text")
                continue
            label = str(said.get("label") or "")
            is_file = text.startswith(FILE) or (isinstance(self._source.config.get("prompts"), dict))
            is_file = is_file or re.fullmatch(r"[^\n{}]+\.(txt|md|json|ya?ml|j2|js|py|csv)", text) is not None
            if not is_file:
                yield place, label, text
                continue
            try:
                for each, content in self._prompts_of_file(text.removeprefix(FILE)):
                    yield place, label or each, content
            except (ConversionError, EvalFileError) as error:
                self._source.leave_out(place, f"the prompt: {error}")

    def _prompts_of_file(self, name: str) -> Iterator[tuple[str, str]]:
        for path in self._source.files(name):
            match path.suffix.lower():
                case ".txt":
                    for number, part in enumerate(re.split(r"(?m)^[ \t]*---[ \t]*\r?$\n?", read_text(path)), start=1):
                        if part.strip():
                            yield path.stem if number == 1 else f"{path.stem} {number}", part.strip()
                case ".json" | ".yaml" | ".yml":
                    yield path.stem, json.dumps(parse_document(path, read_text(path)).value)
                case ".md" | ".j2":
                    yield path.stem, read_text(path)
                case _:
                    raise ConversionError(f"{path.name} computes a prompt, and nothing is executed here")


class ModelReader:
    """Reads the providers."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self) -> list[JsonValue]:
        """Return the models."""
        key = "providers" if "providers" in self._source.config else "targets"
        given = self._source.config.get(key)
        made: list[JsonValue] = []
        for number, provider in enumerate(given if isinstance(given, list) else [given] if given else []):
            place = (key, number) if isinstance(given, list) else (key,)
            said = object_of(provider)
            if said and "id" not in said and len(said) == 1:
                ((name, more),) = said.items()
                said = {"id": name, **object_of(more)}
            named = provider if isinstance(provider, str) else said.get("id")
            model = model_of(named) if isinstance(named, str) else None
            if model is None:
                self._source.leave_out(
                    place, f"{named!r} is not a model; your own code can be asked as a target (evalhaven.toml)"
                )
                continue
            made.append(self._model(place, str(named), model, said))
        return made

    def _model(self, place: Place, named: str, model: str, said: JsonObject) -> JsonValue:
        config = object_of(said.get("config"))
        parameters: JsonObject = {}
        for key, value in config.items():
            if key in _PARAMETERS:
                parameters[_PARAMETERS[key]] = value
            else:
                self._source.leave_out(
                    (*place, "config", key), "it is not a sampling parameter; evalhaven.toml has endpoints and keys"
                )
        for key in said.keys() - {"id", "label", "config"}:
            self._source.leave_out((*place, key), "there is nothing like it here")
        if not named.startswith("openai:"):
            self._source.made.note(
                self._source.where(place), f"evalhaven.toml has to say which endpoint serves {model!r}"
            )
        if "temperature" not in parameters and not _REASONING.match(model):
            parameters["temperature"] = 0  # as promptfoo asks
        label = said.get("label")
        found: JsonObject = {"model": model}
        if isinstance(label, str) and label:
            found["name"] = label
        return {**found, "sampling_params": parameters} if parameters else found


def _messages(text: str, items: Sequence[JsonObject]) -> JsonValue:
    """Return a prompt as messages, or as the text of one."""
    if text.lstrip().startswith(("[", "{")):
        try:
            parsed: JsonValue = json.loads(text)
        except ValueError:
            parsed = None
        if isinstance(parsed, list) and all(isinstance(each, dict) and "role" in each for each in parsed):
            return [_message(object_of(each), items) for each in parsed]
    return _template(text, items)


def _last_words(messages: JsonValue) -> str:
    """Return what names a prompt without a label: its text, or that of its last message."""
    last = messages[-1] if isinstance(messages, list) else messages
    words = object_of(last).get("content", last)
    return _ITEM_FIELD.sub(r"{{\1}}", words) if isinstance(words, str) else ""


def _message(message: JsonObject, items: Sequence[JsonObject]) -> JsonObject:
    content = message.get("content")
    if not isinstance(content, str):
        raise ConversionError("a message is not a text")
    return {"role": message["role"], "content": _template(content, items)}


def _template(text: str, items: Sequence[JsonObject]) -> str:
    made = to_template(text)
    for name in names_in(text):
        for item in items:
            value = item.setdefault(name, "")
            if isinstance(value, list | dict) and f"{{{{ item.{name} }}}}" in made:
                raise ConversionError(f"the variable {name!r} is not a text: promptfoo would write {js_text(value)!r}")
    return made
