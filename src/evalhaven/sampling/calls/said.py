"""What an endpoint said in an unusable answer: the error in it, or else the beginning of the answer."""

import re
from dataclasses import dataclass

from evalhaven.domain.foreign import beginning_of, form_of
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse_reply, render
from evalhaven.domain.masking import Secrets
from evalhaven.sampling.transport.replies import HttpReply

_BEGINNING_CHARS = 200
_TYPE_CHARS = 100
_MOST_BYTES = 256 * 1024  # of an error that is parsed
_STATUS = re.compile(r"[1-5]\d\d")


@dataclass(frozen=True, slots=True)
class Said:
    """What an endpoint said about an error; empty if it said nothing."""

    message: str = ""
    code: str = ""
    kind: str = ""
    status: int | None = None


def read_error(body: bytes) -> Said:
    """Return the error that a body holds: OpenAI's form, and those of other servers and gateways."""
    if len(body) > _MOST_BYTES:
        return Said()
    try:
        document = parse_reply(body)
    except InvalidJsonError:
        return Said()
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return Said()
    fault = document.get("error") or _choice_error(document)
    if isinstance(fault, str) and fault:
        return Said(message=fault)
    if not isinstance(fault, dict):
        if "message" not in document and "detail" not in document:
            return Said()
        fault = document
    code = fault.get("code")
    status = int(code) if isinstance(code, int | str) and _STATUS.fullmatch(str(code)) else None
    message = _text(fault.get("message")) or _text(fault.get("detail"))
    return Said(message, _text(code), _text(fault.get("type")), status)


def _choice_error(document: JsonObject) -> JsonValue:
    """Return the error of the first choice, where routers put the error of the server behind them."""
    choices = document.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first.get("error") if isinstance(first, dict) else None


def what_came(reply: HttpReply, reason: str, secrets: Secrets) -> str:
    """Return the end of a sentence about an unusable success: status, content type and beginning.

    Args:
        reply: With a status 2xx.
        reason: Why it is unusable, as a clause.
        secrets: What the sentence must not repeat.
    """
    # Secrets are hidden before the text is cut: half a secret is a secret too.
    content_type = secrets.hide(reply.headers.get("content-type", "no content type"))[:_TYPE_CHARS]
    began = secrets.hide(beginning_of(reply.body))[:_BEGINNING_CHARS]
    form = form_of(reply.headers.get("content-type", ""), reply.body)
    what = f"with {form}" if form else f"with an unusable body: {reason}"
    return f"answered {reply.status} ({content_type}) {what}" + (f". It begins: {began}" if began else "")


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, int | float) else render(value)
