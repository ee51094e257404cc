"""Sampling parameters in a request for a response."""

from evalhaven.domain.jsontext import JsonObject
from evalhaven.sampling.protocols.formats import text_format
from evalhaven.sampling.protocols.parameters import Asked, Wanted
from evalhaven.sampling.protocols.tools import responses_tool, responses_tool_choice


def responses_parameters(wanted: Wanted) -> Asked:
    """Return what was set, under the names that the Responses protocol has for it.

    Args:
        wanted: What the endpoint can be asked for.
    """
    text = dict(wanted.text_settings)
    if wanted.answer_format is not None:
        text["format"] = text_format(wanted.answer_format)
    body: JsonObject = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "max_output_tokens": wanted.max_tokens,
        "reasoning": None if wanted.reasoning_effort is None else {"effort": wanted.reasoning_effort},
        "text": text or None,
        "tools": [responses_tool(tool) for tool in wanted.tools] or None,
        "tool_choice": responses_tool_choice(wanted.tool_choice),
    }
    unsent = {"seed": wanted.seed, "`modalities`": wanted.modalities, "`audio`": wanted.audio}
    adaptations = tuple(
        f"The Responses protocol has no {name}: it is not sent." for name, value in unsent.items() if value is not None
    )
    return Asked({key: value for key, value in body.items() if value is not None}, adaptations)
