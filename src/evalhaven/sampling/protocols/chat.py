"""Sampling parameters in a request for a chat completion."""

from collections.abc import Collection

from evalhaven.domain.jsontext import JsonObject
from evalhaven.sampling.messages.making import UnsupportedRequestError
from evalhaven.sampling.protocols.formats import chat_format
from evalhaven.sampling.protocols.parameters import Asked, Wanted
from evalhaven.sampling.protocols.tools import chat_tool, chat_tool_choice


def chat_parameters(wanted: Wanted, lacks: Collection[str], endpoint_name: str, *, is_translated: bool) -> Asked:
    """Return what was set, under the names that chat completions have for it.

    Args:
        wanted: What the endpoint can be asked for.
        lacks: What it lacks.
        endpoint_name: For the sentences that say what is different.
        is_translated: Whether it was meant for the Responses protocol.

    Raises:
        UnsupportedRequestError: Chat completions cannot be asked for it.
    """
    adaptations: list[str] = []
    limit_name = "max_completion_tokens"
    if wanted.max_tokens is not None and limit_name in lacks:
        limit_name = "max_tokens"
        adaptations.append(
            f"Endpoint {endpoint_name!r} knows no `max_completion_tokens`: the limit is sent as `max_tokens`."
        )
    body: JsonObject = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        limit_name: wanted.max_tokens,
        "seed": wanted.seed,
        "reasoning_effort": wanted.reasoning_effort,
        "verbosity": wanted.text_settings.get("verbosity"),
        "response_format": None if wanted.answer_format is None else chat_format(wanted.answer_format),
        "tools": [chat_tool(tool, number, is_translated=is_translated) for number, tool in enumerate(wanted.tools)]
        or None,
        "tool_choice": chat_tool_choice(wanted.tool_choice, is_translated=is_translated),
        "modalities": wanted.modalities,
        "audio": wanted.audio,
    }
    unknown = next((key for key in wanted.text_settings if key != "verbosity"), None)
    if unknown is not None:
        raise UnsupportedRequestError(
            f"`text.{unknown}` has no place in chat completions, which is all that endpoint {endpoint_name!r} has. "
            "Leave it out, or use an endpoint that has the Responses protocol.",
            "sampling_params",
            "text",
            unknown,
        )
    return Asked({key: value for key, value in body.items() if value is not None}, tuple(adaptations))
