"""Requests for responses as requests for chat completions; what chat completions cannot be asked for is refused."""

from collections.abc import Callable

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.sampling.catalog import Target
from evalhaven.sampling.messages.attachments import NO_FILES
from evalhaven.sampling.messages.contents import parts_lost_in_chat
from evalhaven.sampling.messages.making import RequestError, UnsupportedRequestError
from evalhaven.sampling.messages.trajectories import Dialect, checked_items, sent_items
from evalhaven.sampling.protocols.chat import chat_parameters
from evalhaven.sampling.protocols.parameters import Wanted, without_what_is_lacking

# Chat completions have these too, under the same name.
_SHARED = ("prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "user")
_READ = frozenset(
    {
        "input", "instructions", "max_output_tokens", "model", "parallel_tool_calls", "reasoning", "stream",
        "stream_options", "temperature", "text", "tool_choice", "tools", "top_p",
    }
)  # fmt: skip
# What these say is kept or done here, not by the endpoint.
_OURS = frozenset({"metadata", "previous_response_id", "store"})
# Values that ask for nothing that chat completions would not do anyway.
_HARMLESS: dict[str, Callable[[JsonValue], bool]] = {
    "background": lambda value: value is False,
    "include": lambda value: value == [],
    "top_logprobs": lambda value: value == 0,
    "truncation": lambda value: value == "disabled",
}


def chat_request_of(request: JsonObject, target: Target) -> JsonObject:
    """Return the request for a chat completion that a request for a response is.

    Args:
        request: Its `input` is an array of items, without reasoning that says something.
        target: The model to ask.

    Raises:
        UnsupportedRequestError: Something in it has no place in chat completions, and would be lost; `at` says what.
    """
    endpoint = target.endpoint
    for key, value in request.items():
        if key not in _READ and key not in _OURS and key not in _SHARED and value is not None:
            harmless = _HARMLESS.get(key)
            if harmless is None or not harmless(value):
                raise _lost(f"`{key}`", endpoint.name, key)
    wanted, lacking = _wanted(request, target)
    if lacking is not None:
        raise UnsupportedRequestError(f"{lacking} Leave the form out, or use another endpoint.", "text", "format")
    try:
        asked = chat_parameters(wanted, endpoint.lacks, endpoint.name, is_translated=True).body
    except UnsupportedRequestError as error:
        raise UnsupportedRequestError(str(error), *error.at[1:]) from error
    body: JsonObject = {"model": target.model, "messages": _messages(request, target), **asked}
    body |= {key: request[key] for key in _SHARED if request.get(key) is not None}
    if wanted.tools and request.get("parallel_tool_calls") is not None:
        body["parallel_tool_calls"] = request["parallel_tool_calls"]
    if request.get("stream") is not None:
        body["stream"] = request["stream"]
    if request.get("stream") is True:
        body["stream_options"] = {"include_usage": True}
    return body


def _wanted(request: JsonObject, target: Target) -> tuple[Wanted, str | None]:
    """Return what is asked for, and what of it the endpoint lacks, in a sentence."""
    name = target.endpoint.name
    text = _object_of(request, "text")
    reasoning = _object_of(request, "reasoning")
    stream_options = _object_of(request, "stream_options")
    for place, given, known in (("reasoning", reasoning, ("effort",)), ("stream_options", stream_options, ())):
        for key, value in given.items():
            if key not in known and value is not None and not (key == "include_obfuscation" and value is False):
                raise _lost(f"`{place}.{key}`", name, place, key)
    answer_format = text.pop("format", None)
    tools = request.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise UnsupportedRequestError("`tools` must be an array.", "tools")
    for number, tool in enumerate(tools or ()):
        if not isinstance(tool, dict):
            raise UnsupportedRequestError("A tool must be an object.", "tools", number)
    wanted = Wanted(
        temperature=request.get("temperature"),
        top_p=request.get("top_p"),
        max_tokens=request.get("max_output_tokens"),
        reasoning_effort=reasoning.get("effort"),
        answer_format=answer_format if isinstance(answer_format, dict) and answer_format != {"type": "text"} else None,
        text_settings=text,
        tools=tuple(tool for tool in tools or () if isinstance(tool, dict)),
        tool_choice=request.get("tool_choice"),
    )
    _, _, adaptations = without_what_is_lacking(wanted, target.endpoint.lacks, name)
    return wanted, adaptations[0] if adaptations else None


def _object_of(request: JsonObject, key: str) -> JsonObject:
    given = request.get(key)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise UnsupportedRequestError(f"`{key}` must be an object.", key)
    return {name: value for name, value in given.items() if value is not None}


def _messages(request: JsonObject, target: Target) -> list[JsonValue]:
    dialect = Dialect("chat", takes_developers="developer_role" not in target.endpoint.lacks)
    try:
        items = checked_items(request.get("input"))
        messages = sent_items(items, dialect, NO_FILES)
    except RequestError as error:
        raise UnsupportedRequestError(str(error), "input", *error.at) from error
    for number, item in enumerate(items):
        for part, sentence in parts_lost_in_chat(item.get("content")):
            raise UnsupportedRequestError(
                f"Input message {number}, part {part}: {sentence} Leave it out, or use an endpoint that has the "
                "Responses protocol.",
                "input",
                number,
                "content",
                part,
            )
    instructions = request.get("instructions")
    if instructions is None:
        return list[JsonValue](messages)
    if not isinstance(instructions, str):
        raise UnsupportedRequestError("`instructions` must be a string.", "instructions")
    return [{"role": "system", "content": instructions}, *messages]


def _lost(what: str, endpoint_name: str, *at: str | int) -> UnsupportedRequestError:
    return UnsupportedRequestError(
        f"{what} has no place in chat completions, which is all that endpoint {endpoint_name!r} has. Leave it out, or "
        "use an endpoint that has the Responses protocol.",
        *at,
    )
