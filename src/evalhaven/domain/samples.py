"""The sample: what a model was asked and what it answered, for one item."""

import re
from dataclasses import dataclass, field
from typing import cast

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse_received, render
from evalhaven.domain.sample_forms import DERIVED, completion_of, text_of

_MAX_TOKENS = 1 << 62
_COUNT = re.compile(r"\s*[0-9]{1,19}(?:\.[0-9]{0,19})?\s*", re.ASCII)
_JSON_STARTS = frozenset('{["-0123456789tfn')


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more model calls."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def to_json(self) -> JsonObject:
        """Return what a sample and a result of a judge show of it, in the order that was recorded."""
        return {
            "total_tokens": self.total_tokens,
            "completion_tokens": self.completion_tokens,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
        }


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
        latency_ms: Milliseconds that the answering call took; None where no model answered.
        attempts: Calls that were made for it.
        cost: US dollars by the price table; None where no price is known.
        is_cached: Whether the answer was given to an earlier request: no call was made.
        request_hash: Under which the answer is to be remembered; None where it is not.
        is_reused: Whether another run, whose samples are graded again, had it made: here no call was.
        unresolved: Placeholders of what was asked that had no value.
        reasoning: What the model thought, where that is all it said: no content came with it. Judges look into it.
        notes: Short names of what to know about the answer, such as that it has no text although it has reasoning.
    """

    input: list[JsonValue] = field(default_factory=list[JsonValue])
    output: list[JsonValue] = field(default_factory=list[JsonValue])
    finish_reason: str = ""
    model: str = ""
    usage: Usage = NO_USAGE
    error: ItemError | None = None
    namespace: JsonObject | None = None
    recorded_text: str | None = None
    latency_ms: int | None = None
    attempts: int = 0
    cost: float | None = None
    is_cached: bool = False
    request_hash: bytes | None = None
    is_reused: bool = False
    unresolved: tuple[str, ...] = ()
    reasoning: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Tell whether it is an answer worth remembering: no error, no refusal, nothing filtered or cut off."""
        return (
            self.error is None
            and self.finish_reason not in ("content_filter", "length")
            and not any(isinstance(message, dict) and message.get("refusal") for message in self.output)
        )


NO_SAMPLE = Sample()


def sample_of_row(recorded: JsonObject, recorded_text: str) -> Sample:
    """Return the sample that a row brings along: a chat completion, whole or minimal, or another form of an answer.

    `output_text`, `output_json`, `output_tools` and `output_audio` are derived from the first choice; what the
    row itself gives under these names is kept, null aside. So are `choices`, where the form has none.

    Args:
        recorded: The row's `sample`.
        recorded_text: The same as the user wrote it.
    """
    completion = completion_of(recorded) or recorded
    choice = _first_choice(completion)
    message = _message_in(choice)
    namespace = {key: value for key, value in recorded.items() if value is not None or key not in DERIVED}
    given = namespace.pop("output_text", None)
    text = given if isinstance(given, str) else text_of(message)
    if completion is not recorded and not namespace.get("choices"):
        namespace["choices"] = completion["choices"]
    if text is not None:
        namespace["output_text"] = text
    if "output_json" not in namespace and text is not None:
        _add_output_json(namespace, text)
    if "output_tools" not in namespace:
        namespace["output_tools"] = _calls_of(message)
    audio = message.get("audio")
    if "output_audio" not in namespace and isinstance(audio, dict):
        namespace["output_audio"] = {"data": audio.get("data"), "transcript": audio.get("transcript")}
    return Sample(
        output=_output_messages(message, text),
        finish_reason=_text_or_empty(choice.get("finish_reason")),
        model=_text_or_empty(completion.get("model")),
        usage=usage_of(completion.get("usage")),
        namespace=namespace,
        recorded_text=recorded_text,
    )


def sample_namespace(output: list[JsonValue], finish_reason: str, model: str) -> JsonObject:
    """Return what templates and graders see as `sample` of an answer: a chat completion and what follows from it.

    A stored answer gives the same as a fresh one.

    Args:
        output: The answer's messages: one a choice, with its own `finish_reason` where that differs.
        finish_reason: Of the first choice.
        model: The resolved model.
    """
    messages = [message for message in output if isinstance(message, dict)]
    first = messages[0] if messages else {}
    text = text_of(first) or ""
    audio = first.get("audio")
    if not text and isinstance(audio, dict):
        text = _text_or_empty(audio.get("transcript"))
    choices: list[JsonValue] = [_choice_of(message, index, finish_reason) for index, message in enumerate(messages)]
    namespace: JsonObject = {
        "model": model,
        "choices": choices,
        "output_text": text,
        "output_tools": _calls_of(first),
    }
    _add_output_json(namespace, text)
    if isinstance(audio, dict):
        namespace["output_audio"] = {"data": audio.get("data"), "transcript": audio.get("transcript")}
    return namespace


def _choice_of(message: JsonObject, index: int, finish_reason: str) -> JsonObject:
    """Return a message as a choice; one that says something else than text has no content, as models answer it."""
    content = message.get("content")
    silent = content == "" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))
    said: JsonObject = {**message, "content": None if silent else content, "refusal": message.get("refusal")}
    own_reason = said.pop("finish_reason", finish_reason)
    return {"index": index, "message": said, "finish_reason": own_reason}


def _calls_of(message: JsonObject) -> list[JsonValue]:
    """Return the calls of a message, all in the form of functions: a custom tool's input becomes its arguments."""
    calls = message.get("tool_calls")
    found = [_with_function(call) for call in calls] if isinstance(calls, list) else []
    old = message.get("function_call")
    if isinstance(old, dict):
        found.append({"id": "", "type": "function", "function": old})
    return found


def _with_function(call: JsonValue) -> JsonValue:
    if not isinstance(call, dict) or not isinstance(call.get("custom"), dict) or "function" in call:
        return call
    custom = cast("JsonObject", call["custom"])
    arguments = render({"input": custom.get("input")})
    return {**call, "function": {"name": custom.get("name"), "arguments": arguments}}


def _first_choice(recorded: JsonObject) -> JsonObject:
    choices = recorded.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _message_in(choice: JsonObject) -> JsonObject:
    message = choice.get("message")
    return message if isinstance(message, dict) else {}


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


def usage_of(usage: JsonValue) -> Usage:
    """Return the `usage` of a chat completion or Response; what is not a number of tokens counts as 0.

    Some servers count in the names of the other protocol.
    """
    if not isinstance(usage, dict):
        return NO_USAGE
    given = _either(usage, "prompt_tokens_details", "input_tokens_details")
    made = _either(usage, "completion_tokens_details", "output_tokens_details")
    cached = given.get("cached_tokens") if isinstance(given, dict) else usage.get("cached_tokens")
    reasoning = made.get("reasoning_tokens") if isinstance(made, dict) else None
    prompt = token_count(_either(usage, "prompt_tokens", "input_tokens"))
    completion = token_count(_either(usage, "completion_tokens", "output_tokens"))
    total = token_count(usage.get("total_tokens")) or prompt + completion
    return Usage(prompt, completion, total, token_count(cached), token_count(reasoning))


def _either(usage: JsonObject, name: str, other: str) -> JsonValue:
    value = usage.get(name)
    return usage.get(other) if value is None else value


def token_count(value: JsonValue) -> int:
    """Return a number of tokens, 0 for what is none; some servers count in floats or write numbers as texts."""
    if type(value) is int:
        return value if 0 <= value < _MAX_TOKENS else 0
    if isinstance(value, float):
        return int(value) if 0 <= value < _MAX_TOKENS and value.is_integer() else 0
    if isinstance(value, str) and _COUNT.fullmatch(value):
        return token_count(float(value) if "." in value else int(value))
    return 0
