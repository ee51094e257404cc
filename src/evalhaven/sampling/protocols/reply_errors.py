"""Why a reply is not an answer."""

from evalhaven.domain.jsontext import JsonValue

_SHOWN_CHARS = 300


class UnusableReplyError(Exception):
    """A reply is not an answer; the message is a short clause about it, such as "it has no choices"."""


def upstream_failure(error: JsonValue) -> UnusableReplyError:
    """Return the failure that an upstream reports inside a reply with a success status."""
    given = error if isinstance(error, dict) else {"message": error}
    code = next((given[key] for key in ("code", "type") if isinstance(given.get(key), str | int)), "")
    message = given.get("message")
    told = " ".join(str(part) for part in (code, message) if isinstance(part, str | int) and part != "")
    return UnusableReplyError(f"it reports a failure: {shortened(told)}" if told else "it reports a failure")


def shortened(text: str) -> str:
    """Return an upstream's text as one line of at most 300 characters."""
    line = " ".join(text[: 4 * _SHOWN_CHARS].split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1]}…"


def text_or_refuse(value: JsonValue, name: str) -> str:
    """Return a text of a reply; null becomes None.

    Raises:
        UnusableReplyError: The value is something else.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise UnusableReplyError(f"it has a {name} that is not a text")


def text_or_none(value: JsonValue) -> str:
    """Return a text of a reply that nothing depends on; None for any other value."""
    return value if isinstance(value, str) else ""


def name_or_none(value: JsonValue) -> str:
    """Return a name or an id; some servers write theirs as numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_or_none(value)


def refusal_or_refuse(value: JsonValue) -> str:
    """Return a refusal; None for null, false and anything empty.

    Raises:
        UnusableReplyError: The value is not a text.
    """
    return text_or_refuse(value, "refusal") if value else ""


def tells_of_failure(error: JsonValue) -> bool:
    """Tell whether the `error` of a reply is an error; some servers send its keys with nothing in them."""
    return any(error.values()) if isinstance(error, dict) else bool(error)
