"""What to know about an answer besides its text: an empty one must not look like a wrong one."""

from collections.abc import Collection

from evalhaven.domain.jsontext import JsonObject, JsonValue

REASONING_WITHOUT_TEXT = "reasoning_without_text"
CUT_WITHOUT_TEXT = "cut_without_text"
PARTS_LEFT_OUT = "parts_left_out"
CHOICES_LEFT_OUT = "choices_left_out"

_CUT = frozenset({"length", "content_filter"})
_SAYS = ("tool_calls", "function_call", "refusal", "audio")


def notes_of(
    message: JsonObject, finish_reason: str, *, has_reasoning: bool, left_out: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the notes on an answer.

    Args:
        message: What output items show of it.
        finish_reason: As they show it.
        has_reasoning: Whether the model reasoned, as far as its endpoint shows.
        left_out: What was not understood and is not shown: `parts_left_out` says so of an empty answer alone.
    """
    content: JsonValue = message.get("content")
    if content and not left_out and isinstance(content, str) and not content.isspace():
        return ()  # the usual case
    notes = [note for note in left_out if note != PARTS_LEFT_OUT]
    is_empty = not (isinstance(content, str) and content.strip()) and not any(message.get(key) for key in _SAYS)
    if is_empty:
        if has_reasoning:
            notes.append(REASONING_WITHOUT_TEXT)
        if finish_reason in _CUT:
            notes.append(CUT_WITHOUT_TEXT)
        if PARTS_LEFT_OUT in left_out:
            notes.append(PARTS_LEFT_OUT)
    return tuple(notes)
