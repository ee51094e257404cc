"""The sample: what a model was asked and what it answered, for one item."""

from dataclasses import dataclass, field
from typing import cast

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse_received

_DERIVED = frozenset({"output_text", "output_json", "output_tools", "output_audio"})
_JSON_STARTS = frozenset('{["-0123456789tfn')


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one item, one grade or a whole run has no result.

    Attributes:
        code: Short, stable name of the kind of error.
        message: A sentence for the user.
        origin: Where it arose: `data_source`, `sampling`, `judge`, `user_code`, `sandbox`, `template`, or "".
        retryable: Whether the same item could succeed another time.
    """

    code: str
    message: str
    origin: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """Model input and output of one item.

    Attributes:
        input: The messages as they were sent, in order; empty where nothing was sent.
        output: The answer as messages; empty where there is none.
        finish_reason: As the model reported it, else "".
        model: The resolved model name, else "".
        usage: Tokens of the call that made it.
        error: Why there is no answer, else None.
        namespace: What templates and graders see as `sample`; None where the row has no sample.
        recorded_text: The row's own sample as the user wrote it, JSON text; None where there is none.
    """

    input: list[JsonValue] = field(default_factory=list[JsonValue])
    output: list[JsonValue] = field(default_factory=list[JsonValue])
    finish_reason: str = ""
    model: str = ""
    usage: Usage = NO_USAGE
    error: ItemError | None = None
    namespace: JsonObject | None = None
    recorded_text: str | None = None


NO_SAMPLE = Sample()


def sample_of_row(recorded: JsonObject, recorded_text: str) -> Sample:
    """Return the sample that a row brings along: a chat completion, whole or minimal.

    `output_text`, `output_json`, `output_tools` and `output_audio` are derived from the first choice; what the
    row itself gives under these names is kept, null aside.

    Args:
        recorded: The row's `sample`.
        recorded_text: The same as the user wrote it.
    """
    message = _first_message(recorded)
    namespace = {key: value for key, value in recorded.items() if value is not None or key not in _DERIVED}
    given = namespace.pop("output_text", None)
    text = given if isinstance(given, str) else _text_of(message)
    if text is not None:
        namespace["output_text"] = text
    if "output_json" not in namespace and text is not None:
        _add_output_json(namespace, text)
    if "output_tools" not in namespace:
        tools = message.get("tool_calls")
        namespace["output_tools"] = tools if isinstance(tools, list) else []
    audio = message.get("audio")
    if "output_audio" not in namespace and isinstance(audio, dict):
        namespace["output_audio"] = {"data": audio.get("data"), "transcript": audio.get("transcript")}
    choice = _first_choice(recorded)
    return Sample(
        output=_output_messages(message, text),
        finish_reason=_text_or_empty(choice.get("finish_reason")),
        model=_text_or_empty(recorded.get("model")),
        usage=_usage_of(recorded.get("usage")),
        namespace=namespace,
        recorded_text=recorded_text,
    )


def _first_choice(recorded: JsonObject) -> JsonObject:
    choices = recorded.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _first_message(recorded: JsonObject) -> JsonObject:
    message = _first_choice(recorded).get("message")
    return message if isinstance(message, dict) else {}


def _text_of(message: JsonObject) -> str | None:
    """Return the text of a message: its content, or the text parts of its content joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return "".join(cast("list[str]", texts))
    return None


def _add_output_json(namespace: JsonObject, text: str) -> None:
    stripped = text.strip()
    # Looking at the first character spares a failed parse for each answer in plain words.
    if stripped and stripped[0] in _JSON_STARTS:
        try:
            namespace["output_json"] = parse_received(stripped)
        except InvalidJsonError:
            return


def _output_messages(message: JsonObject, text: str | None) -> list[JsonValue]:
    if not message:
        return [] if text is None else [{"role": "assistant", "content": text}]
    shown: JsonObject = {
        "role": message.get("role") or "assistant",
        "content": text if text is not None else "",
    }
    for key, kind in (("tool_calls", list), ("refusal", str), ("function_call", dict)):
        if message.get(key) and isinstance(message[key], kind):
            shown[key] = message[key]
    return [shown]


def _text_or_empty(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _usage_of(usage: JsonValue) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else usage.get("cached_tokens")
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return Usage(prompt, completion, _count(usage.get("total_tokens")) or prompt + completion, _count(cached))


def _count(value: JsonValue) -> int:
    return value if type(value) is int and 0 <= value < 1 << 62 else 0
