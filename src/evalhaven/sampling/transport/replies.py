"""The outcome of a request: a reply, or the reason why there is none."""

import codecs
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

TransportErrorKind = Literal["connect", "timeout", "broken", "malformed", "too_large"]

_WIDE = re.compile(r"utf-?(16|32)(-?[lb]e)?")
_NARROW = re.compile(r"(iso-?8859-?\d{1,2}|latin-?1|windows-\d{4}|cp\d{3,4}|gb18030|gbk|gb2312|big5|shift_jis|euc-..)")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.-]{1,30})")
_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What a server answered.

    Attributes:
        status: The status code.
        headers: Values by lower-case name; values of a repeated name are joined by a comma.
        body: The body, uncompressed, and in UTF-8 where it says that it is in another encoding.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StreamedReply:
    """A reply whose body comes part by part.

    Attributes:
        status: The status code.
        headers: Values by lower-case name; values of a repeated name are joined by a comma.
        parts: The body, uncompressed, as it comes; it raises a TransportError if the reply is cut off or stalls.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    parts: AsyncIterator[bytes] = field(repr=False)


class TransportError(Exception):
    """A request got no reply. The message names host and port, never a header, a path or a body that was sent.

    Attributes:
        kind: `connect`: the request was not sent. `timeout`: its time ran out. `broken`: the connection ended before
            the reply did. `malformed`: what came is not HTTP, or cannot be decoded. `too_large`: the reply is larger
            than is accepted.
    """

    def __init__(self, kind: TransportErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: TransportErrorKind = kind


def in_utf8(body: bytes, content_type: str) -> bytes:
    """Return a text in UTF-8 without a mark before it, if it says what else it is in; else as it is."""
    if body.startswith(codecs.BOM_UTF8):
        return body[len(codecs.BOM_UTF8) :]
    charset = "utf-16" if body.startswith(_MARKS) else ""
    if body.startswith(_MARKS[:2]):
        charset = "utf-32"
    elif not charset and "=" in content_type and (found := _CHARSET.search(content_type.lower())):
        charset = found[1]
        # Many say Latin-1 and send UTF-8.
        if not _WIDE.fullmatch(charset) and (not _NARROW.fullmatch(charset) or _is_utf8(body)):
            return body
    if not charset:
        return body
    try:
        return body.decode(charset).encode()
    except (LookupError, UnicodeError):
        return body


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
