"""What the parts of a reply's content say, in either protocol."""

from typing import NamedTuple

from evalhaven.domain.jsontext import JsonValue
from evalhaven.sampling.messages.contents import TEXT_TYPES
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError, refusal_or_refuse, text_or_refuse

_REASONING_TYPES = ("thinking", "reasoning", "reasoning_text", "redacted_thinking")


class Spoken(NamedTuple):
    """What a content says.

    Attributes:
        text: Its texts, joined.
        refusal: Its refusals, joined.
        has_reasoning: Whether some part holds thoughts, which are left out.
        is_partial: Whether parts of unknown types were left out.
    """

    text: str = ""
    refusal: str = ""
    has_reasoning: bool = False
    is_partial: bool = False


def read_content(content: JsonValue) -> Spoken:
    """Return what a content says: a text, null, a part or an array of parts and texts.

    A part without a type that has a text is a text.

    Raises:
        UnusableReplyError: The content is something else.
    """
    if isinstance(content, str):
        return Spoken(content)
    if content is None:
        return Spoken()
    if not isinstance(content, list | dict):
        raise UnusableReplyError("it has a content that is not a text")
    text, refusal, has_reasoning, is_partial = "", "", False, False
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            text += part
            continue
        if part is None:
            continue
        if not isinstance(part, dict):
            raise UnusableReplyError("it has a content part that is not an object")
        kind = part.get("type")
        if kind in TEXT_TYPES or (kind is None and "text" in part):
            text += text_or_refuse(part.get("text"), "text")
        elif kind == "refusal" or (kind is None and "refusal" in part):
            refusal += refusal_or_refuse(part.get("refusal"))
        elif kind in _REASONING_TYPES:
            has_reasoning = True
        else:
            is_partial = True
    return Spoken(text, refusal, has_reasoning, is_partial)
