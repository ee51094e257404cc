"""Answers in no form known here: pages of gateways and logins, event streams, empty bodies."""

import html
import re

_MOST_BYTES = 256 * 1024  # how much of a body is looked at
_FIRST_BYTES = 200
_UNREAD = re.compile(r"<(script|style|template|svg)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[A-Za-z/!?][^<>]*>")
_EVENT = re.compile(r"\A\s*(?:data|event|id|retry)?:")
_HTML = re.compile(r"\A\s*<(?:!doctype\s+html|html|head|body|\?xml)\b", re.IGNORECASE)


def words_of(body: bytes) -> str:
    """Return the words of a body in no known form, such as a gateway's page, on one line."""
    text = _UNREAD.sub(" ", _decoded(body))
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def beginning_of(body: bytes) -> str:
    """Return the beginning of a body on one line, without what the reader of a page would not see."""
    return " ".join(_UNREAD.sub(" ", _decoded(body)).split())


def form_of(content_type: str, body: bytes) -> str:
    """Return, in words, what a body is that is not an answer; "" if that is unknown."""
    text = body[:_FIRST_BYTES].decode("utf-8", "replace")
    if not text.strip():
        return "nothing"
    if "html" in content_type.lower() or _HTML.match(text):
        return "an HTML page"
    if "event-stream" in content_type.lower() or _EVENT.match(text):
        return "an event stream, though none was asked for"
    return ""


def _decoded(body: bytes) -> str:
    return body[:_MOST_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
