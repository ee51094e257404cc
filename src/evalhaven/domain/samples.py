"""The sample: what a model was asked and what it answered, for one item."""

import re
from dataclasses import dataclass
from typing import cast

import msgspec

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse_received, render
from evalhaven.domain.sample_forms import DERIVED, completion_of, find_error, text_of

MAX_TOKENS = 1 << 62
_COUNT = re.compile(r"\s*[0-9]{1,19}(?:\.[0-9]{0,19})?\s*", re.ASCII)
_PLAIN_KEYS = frozenset({"role", "content"})
_JSON_STARTS = frozenset('{["-0123456789tfn')


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one or more model calls."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    def to_json(self) -> JsonObject:
        """Return the form shown in samples and judges' results, with keys in the recorded order."""
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
        origin: Where it occurred: `data_source`, `sampling`, `judge`, `user_code`, `sandbox`, `template`, or "".
        retryable: Whether the same item could succeed if tried again.
    """

    code: str
    message: str
    origin: str = ""
    retryable: bool = False


class Sample(msgspec.Struct, frozen=True):
    """Model input and output of one item.

    Attributes:
        input: The messages as they were sent, in order; empty if nothing was sent.
        output: The answer as messages; empty if there is none.
        finish_reason: As the model reported it, else "".
        model: The resolved model name, else "".
        usage: Tokens of the call that made it.
        error: Why there is no answer, else None.
        namespace: What templates and graders see as `sample`; None if the row has no sample.
        recorded_text: JSON text of the row's own sample as the user wrote it; None if there is none.
        latency_ms: Milliseconds that the answering call took; None if no model answered.
        attempts: Number of calls that were made for it.
        cost: US dollars by the price table; None if no price is known.
        is_cached: Whether the answer was given to an earlier request, so that no call was made.
        request_hash: The hash under which the answer is to be remembered; None if it is not.
        is_reused: Whether it was made for another run, whose samples are graded again, so that no call was made here.
        unresolved: Placeholders in the request that had no value.
        reasoning: The model's reasoning, if it answered with nothing else. Judges look into it.
        notes: Short names for peculiarities of the answer, such as reasoning without text.
        extras: What an application answered besides, which templates and graders see in `sample` too; None: nothing.
    """

    input: list[JsonValue] = []
    output: list[JsonValue] = []
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
    extras: JsonObject | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether the answer is worth remembering: no error, no refusal, nothing filtered or cut off."""
        return (
            self.error is None
            and self.finish_reason not in ("content_filter", "length")
            and not any(isinstance(message, dict) and message.get("refusal") for message in self.output)
        )


NO_SAMPLE = Sample()
_NOTHING_SAID: JsonObject = {"role": "assistant", "content": ""}


def unsampled(
    error: ItemError, shown: list[JsonValue] | None = None, attempts: int = 0, unresolved: tuple[str, ...] = ()
) -> Sample:
    """Return the sample of an item that has no answer.

    Args:
        error: Why.
        shown: The messages as they were sent; None if nothing was.
        attempts: Number of calls that were made.
        unresolved: Placeholders in the request that had no value.
    """
    return Sample(input=shown or [], output=[_NOTHING_SAID], error=error, attempts=attempts, unresolved=unresolved)


def sample_of_row(recorded: JsonObject, recorded_text: str) -> Sample:
    """Return the sample that came with a row: a chat completion, whole or minimal, or another form of an answer.

    `output_text`, `output_json`, `output_tools` and `output_audio` are derived from the first choice; values that the
    row itself gives under these names are kept unless null. `choices` are derived too, if the form has none.

    Args:
        recorded: The row's `sample`.
        recorded_text: Its JSON text as the user wrote it.
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
        error=error_of_row(recorded),
        namespace=namespace,
        recorded_text=recorded_text,
    )


def error_of_row(recorded: JsonObject) -> ItemError | None:
    """Return why a row has no answer, if its `sample` says so, as those of exported output items do; else None."""
    found = find_error(recorded)
    if found is None:
        return None
    code, message = found
    return ItemError(code or "recorded_error", message or code, "data_source")


def text_of_row(recorded: JsonObject) -> str | None:
    """Return what `sample_of_row` has as the text of its first message, at a fraction of the cost; None without one."""
    message = _message_in(_first_choice(completion_of(recorded) or recorded))
    given = recorded.get("output_text")
    text = given if isinstance(given, str) else text_of(message)
    return "" if text is None and message else text


def sample_namespace(output: list[JsonValue], finish_reason: str, model: str) -> JsonObject:
    """Return what templates and graders see as `sample`: an answer as a chat completion, and what is derived from it.

    The result is the same for a stored answer and a fresh one.

    Args:
        output: The answer's messages, one for each choice, with their own `finish_reason` if it differs.
        finish_reason: That of the first choice.
        model: The resolved model.
    """
    messages = [message for message in output if isinstance(message, dict)]
    first = messages[0] if messages else {}
    if len(messages) == 1 and first.keys() == _PLAIN_KEYS and isinstance(said := first["content"], str):
        return plain_namespace(first["role"], said, finish_reason, model)
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


def namespace_of(sample: Sample) -> JsonObject:
    """Return what templates and graders see of a sample that a model or an application answered."""
    namespace = sample_namespace(sample.output, sample.finish_reason, sample.model)
    return namespace if sample.extras is None else namespace | sample.extras


def plain_namespace(role: JsonValue, text: str, finish_reason: str, model: str) -> JsonObject:
    """Return what `sample_namespace` does for a single message of one text, which most answers are."""
    said: JsonObject = {"role": role, "content": text, "refusal": None}
    choice: JsonObject = {"index": 0, "message": said, "finish_reason": finish_reason}
    namespace: JsonObject = {"model": model, "choices": [choice], "output_text": text, "output_tools": []}
    _add_output_json(namespace, text)
    return namespace


def _choice_of(message: JsonObject, index: int, finish_reason: str) -> JsonObject:
    """Return a message as a choice; if it holds something other than text, its content is null, as from models."""
    content = message.get("content")
    silent = content == "" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio"))
    said: JsonObject = {**message, "content": None if silent else content, "refusal": message.get("refusal")}
    own_reason = said.pop("finish_reason", finish_reason)
    return {"index": index, "message": said, "finish_reason": own_reason}


def _calls_of(message: JsonObject) -> list[JsonValue]:
    """Return a message's tool calls, all in the form of functions: a custom tool's input becomes its arguments."""
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
    # Looking at the first character saves a failed parse for each answer in plain words.
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
    """Return the `usage` of a chat completion or a response; a value that is not a number of tokens counts as 0.

    Some servers use the names of the other protocol.
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
    """Return a number of tokens, or 0 if the value is not one; some servers send floats, or numbers as texts."""
    if type(value) is int:
        return value if 0 <= value < MAX_TOKENS else 0
    if isinstance(value, float):
        return int(value) if 0 <= value < MAX_TOKENS and value.is_integer() else 0
    if isinstance(value, str) and _COUNT.fullmatch(value):
        return token_count(float(value) if "." in value else int(value))
    return 0
