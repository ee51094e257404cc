"""What a run or a judge wants of the model's answer, apart from the messages."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.sampling.protocols.formats import (
    OBJECT_INSTRUCTION,
    is_strict_format,
    lenient_format,
    schema_instruction,
)
from evalhaven.sampling.protocols.tools import is_strict, without_strict

_TOKEN_LIMITS = ("max_completion_tokens", "max_completions_tokens")
_JSON_OBJECT: JsonObject = {"type": "json_object"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Sampling parameters as their author set them; None or empty means not set.

    Attributes:
        max_tokens: The limit, under either name.
        answer_format: A `response_format` or a `text.format`.
        text_settings: The other keys of `text`.
        tools: In either protocol's form.
        modalities: What an answer is made of.
        audio: Voice and format of a spoken answer.
    """

    temperature: JsonValue = None
    top_p: JsonValue = None
    seed: JsonValue = None
    max_tokens: JsonValue = None
    reasoning_effort: JsonValue = None
    answer_format: JsonObject | None = None
    text_settings: JsonObject = field(default_factory=dict[str, JsonValue])
    tools: tuple[JsonObject, ...] = ()
    tool_choice: JsonValue = None
    modalities: JsonValue = None
    audio: JsonValue = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Sampling parameters as they are sent.

    Attributes:
        body: Keys of the request.
        adaptations: Sentences that say what is sent differently from what was wanted.
    """

    body: JsonObject
    adaptations: tuple[str, ...]


def completions_wanted(data_source: JsonObject) -> Wanted:
    """Return what a `completions` run says in its `sampling_params`, and beside them about spoken answers."""
    params = data_source.get("sampling_params")
    given = params if isinstance(params, dict) else {}
    answer_format = given.get("response_format")
    wanted = judge_wanted(given, answer_format if isinstance(answer_format, dict) else None)
    modalities, audio = (
        data_source.get(name) if given.get(name) is None else given[name] for name in ("modalities", "audio")
    )
    return replace(_with_tools(wanted, given), modalities=modalities, audio=audio)


def responses_wanted(params: JsonValue) -> Wanted:
    """Return what the `sampling_params` of a `responses` run say."""
    given = params if isinstance(params, dict) else {}
    text = given.get("text")
    settings: JsonObject = {} if not isinstance(text, dict) else {k: v for k, v in text.items() if v is not None}
    answer_format = settings.pop("format", None)
    wanted = judge_wanted(given, answer_format if isinstance(answer_format, dict) else None)
    return replace(_with_tools(wanted, given), text_settings=settings)


def judge_wanted(params: JsonValue, answer_format: JsonObject | None) -> Wanted:
    """Return what the `sampling_params` of a model grader say, with the form that its answer must have."""
    given = params if isinstance(params, dict) else {}
    return Wanted(
        temperature=given.get("temperature"),
        top_p=given.get("top_p"),
        seed=given.get("seed"),
        max_tokens=next((given[name] for name in _TOKEN_LIMITS if given.get(name) is not None), None),
        reasoning_effort=given.get("reasoning_effort"),
        answer_format=answer_format,
    )


def _with_tools(wanted: Wanted, given: JsonObject) -> Wanted:
    tools = given.get("tools")
    listed = tuple(tool for tool in tools if isinstance(tool, dict)) if isinstance(tools, list) else ()
    return replace(wanted, tools=listed, tool_choice=given.get("tool_choice"))


def without_what_is_lacking(
    wanted: Wanted, lacks: Collection[str], endpoint_name: str
) -> tuple[Wanted, str | None, list[str]]:
    """Return what an endpoint can be asked for, what the messages must add, and what is different.

    Args:
        wanted: What was asked for.
        lacks: What the endpoint lacks; features that only one protocol has are ignored.
        endpoint_name: For the sentences.
    """
    adaptations: list[str] = []
    instruction = None
    answer_format = wanted.answer_format
    if answer_format is not None and answer_format.get("type") == "json_schema" and "structured_outputs" in lacks:
        instruction = schema_instruction(answer_format)
        has_json_mode = "json_mode" not in lacks
        wanted = replace(wanted, answer_format=_JSON_OBJECT if has_json_mode else None)
        adaptations.append(
            f"Endpoint {endpoint_name!r} knows no JSON Schemas: it is asked for a JSON object, and a system message "
            "shows it the schema."
            if has_json_mode
            else f"Endpoint {endpoint_name!r} knows no response formats: a system message asks it for a JSON object "
            "and shows it the schema."
        )
    elif wanted.answer_format == _JSON_OBJECT and "json_mode" in lacks:
        instruction = OBJECT_INSTRUCTION
        wanted = replace(wanted, answer_format=None)
        adaptations.append(
            f"Endpoint {endpoint_name!r} knows no response formats: a system message asks it for a JSON object."
        )
    if "strict_schemas" in lacks and _asks_for_strictness(wanted):
        adaptations.append(f"Endpoint {endpoint_name!r} knows no strict schemas: `strict` is not sent.")
        wanted = replace(
            wanted,
            answer_format=None if wanted.answer_format is None else lenient_format(wanted.answer_format),
            tools=tuple(without_strict(tool) for tool in wanted.tools),
        )
    if "seed" in lacks and wanted.seed is not None:
        adaptations.append(f"Endpoint {endpoint_name!r} knows no seed: it is not sent.")
        wanted = replace(wanted, seed=None)
    return wanted, instruction, adaptations


def _asks_for_strictness(wanted: Wanted) -> bool:
    in_format = wanted.answer_format is not None and is_strict_format(wanted.answer_format)
    return in_format or any(is_strict(tool) for tool in wanted.tools)
