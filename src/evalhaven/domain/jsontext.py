"""JSON text: exact parsing and rendering, and splitting a large document without parsing it.

What users send comes back with the same value to the last digit: integers of any size, lone surrogates and
U+0000 survive. `msgspec` handles the common case; the standard library handles what it refuses.
"""

import contextlib
import json
import math
import mmap
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import accumulate
from typing import cast

import msgspec

from evalhaven.wire import json_values

JsonValue = json_values.JsonValue
JsonObject = json_values.JsonObject
Span = tuple[int, int]
RawJson = bytes | mmap.mmap

MAX_NESTING = 500  # levels in what users send: few enough to be read and written at any depth of calls
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{[}]"))
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]', re.DOTALL)
_NOT_BLANK = re.compile(rb"[^ \t\r\n]")
_COMMA = ord(",")
_OPENING = frozenset(b"{[")
_CLOSING = frozenset(b"}]")


class InvalidJsonError(ValueError):
    """The text is not one JSON value; the message says where and why."""


def parse(raw: bytes | str) -> JsonValue:
    """Return the value of one JSON text.

    Raises:
        InvalidJsonError: The text is malformed, not UTF-8, nested too deeply, or has a number that is not finite.
    """
    try:
        return msgspec.json.decode(raw)
    except RecursionError as error:
        raise InvalidJsonError("it is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeError):
        return _parse_leniently(raw)


def parse_received(text: bytes | str) -> JsonValue:
    """Return the value of one JSON text that a user or a model wrote.

    Raises:
        InvalidJsonError: As for `parse`, or the text has more than 500 levels.
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    if may_be_too_deep(raw) and _nesting(raw) > MAX_NESTING:
        raise InvalidJsonError("it is nested too deeply")
    return parse(text)


def parse_reply(raw: bytes) -> JsonValue:
    """Return the value of the JSON text that an endpoint answered, reading it as leniently as its own clients would.

    What is not valid JSON is replaced: numbers that are not finite become null, bytes that are not UTF-8
    become U+FFFD. A byte order mark, and control characters in strings, are accepted.

    Raises:
        InvalidJsonError: Even so, the text is not one JSON value, or it has more than 500 levels.
    """
    try:
        return parse_received(raw)
    except InvalidJsonError:
        if may_be_too_deep(raw) and _nesting(raw) > MAX_NESTING:
            raise
    text = raw.decode(json.detect_encoding(raw), "replace").removeprefix("\ufeff")
    return _loads(_FORGIVING, text)


def may_be_too_deep(raw: bytes) -> bool:
    """Tell whether a JSON text has brackets enough for more than 500 levels; False for nearly all, at no cost."""
    return len(raw) > MAX_NESTING and raw.count(b"[") + raw.count(b"{") > MAX_NESTING


def _nesting(raw: bytes) -> int:
    """Return the number of levels of a JSON text, in a few passes that run in C."""
    brackets = _STRING.sub(b"", raw).translate(_STEPS, _NOT_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0)


def _parse_leniently(raw: bytes | str) -> JsonValue:
    """Parse JSON that msgspec refuses (lone surrogates), or say what is wrong with it."""
    try:
        text = raw if isinstance(raw, str) else raw.decode("utf-8")
    except UnicodeDecodeError as error:
        what = _find_form(error.object) or f"it is not valid UTF-8 at byte {error.start}"
        raise InvalidJsonError(what) from error
    return _loads(_EXACT, text)


def _find_form(raw: bytes) -> str | None:
    """Return what kind of data bytes other than UTF-8 are, judging by their beginning; None if it is unknown."""
    return next((form for beginning, form in _OTHER_FORMS if raw.startswith(beginning)), None)


def _loads(decoder: json.JSONDecoder, text: str) -> JsonValue:
    if text.startswith("\ufeff"):
        raise InvalidJsonError("it begins with a byte order mark, at line 1, column 1")
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")  # "Unterminated string starting at"
        raise InvalidJsonError(f"{what} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise InvalidJsonError("it is nested too deeply") from error
    except ValueError as error:
        raise InvalidJsonError(str(error)) from error


def _refuse_constant(name: str) -> float:
    raise InvalidJsonError(f"{name} is not a JSON number")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise InvalidJsonError(f"the number {digits[:40]} is out of range")
    return number


def _finite_or_null(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _integer_or_null(digits: str) -> int | None:
    try:
        return int(digits)
    except ValueError:  # more digits than Python reads
        return None


def _null(_name: str) -> None:
    return None


_OTHER_FORMS = (
    (b"\x1f\x8b", "it is compressed by gzip: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd: unpack it first"),
    (b"PK\x03\x04", "it is a zip archive or an office document: unpack or export it first"),
    (b"\xff\xfe", "it is UTF-16: save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16: save it as UTF-8"),
)
_EXACT = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite_float)
_FORGIVING = json.JSONDecoder(
    parse_constant=_null, parse_float=_finite_or_null, parse_int=_integer_or_null, strict=False
)


def render(value: object) -> str:
    """Return the compact JSON text of a value; non-ASCII is kept, lone surrogates are escaped."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def canonical_hash(value: JsonValue) -> bytes:
    """Return the SHA-256 (32 bytes) of the value's canonical text: compact, keys sorted, UTF-8."""
    try:
        text = msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()
    return sha256(text).digest()


def members(raw: RawJson, span: Span, only: str | None = None, *, may_be_cut: bool = False) -> dict[str, Span]:
    """Return where the value of each member of a JSON object is, without parsing the values.

    If a key is repeated, its last occurrence counts, as in every JSON parser.

    Args:
        raw: The document.
        span: Start and end (bytes) of the object within it; white space around it is allowed.
        only: The only member that is wanted, or None for all.
        may_be_cut: On a fault, return the members before it; a value that has begun extends to the end of the text.

    Raises:
        InvalidJsonError: The brackets, keys or commas do not form an object. Values are not checked.
    """
    found: dict[str, Span] = {}
    with contextlib.suppress(InvalidJsonError) if may_be_cut else contextlib.nullcontext():
        _find_members(raw, span, only, found, may_be_cut=may_be_cut)
    return found


def _find_members(raw: RawJson, span: Span, only: str | None, found: dict[str, Span], *, may_be_cut: bool) -> None:
    for start, end in _parts(raw, span, b"{", b"}", may_be_cut=may_be_cut):
        token = _TOKEN.match(raw, start, end)
        colon = token and _NOT_BLANK.search(raw, token.end(), end)
        if token is None or colon is None or raw[token.start() : token.start() + 1] != b'"' or colon.group() != b":":
            raise InvalidJsonError(f'expected "key": value at byte {start}')
        value_start = _NOT_BLANK.search(raw, colon.end(), end)
        if value_start is None:
            raise InvalidJsonError(f"a value is missing at byte {end}")
        key = cast("str", parse(token.group()))
        if only is None or key == only:
            found[key] = (value_start.start(), end)


def elements(raw: RawJson, span: Span, *, may_be_cut: bool = False) -> Iterator[Span]:
    """Yield where each element of a JSON array is, one at a time, without parsing them.

    Args:
        raw: The document.
        span: Start and end (bytes) of the array within it.
        may_be_cut: If the text ends too early, yield the element that has begun, up to the end, before raising.

    Raises:
        InvalidJsonError: The brackets or commas do not form an array. Elements are not checked.
    """
    return _parts(raw, span, b"[", b"]", may_be_cut=may_be_cut)


def starts_with(raw: RawJson, span: Span, bracket: bytes) -> bool:
    """Tell whether the first character of a value, after white space, is this bracket."""
    first = _NOT_BLANK.search(raw, *span)
    return first is not None and first.group() == bracket


def _parts(raw: RawJson, span: Span, opening: bytes, closing: bytes, *, may_be_cut: bool = False) -> Iterator[Span]:
    """Yield the spans between the commas of one object or array, trimmed."""
    start, end = span
    first = _NOT_BLANK.search(raw, start, end)
    if first is None or first.group() != opening:
        raise InvalidJsonError(f"expected {opening.decode()} at byte {start}")
    depth, part_start, seen_comma = 0, first.end(), False
    for token in _TOKEN.finditer(raw, first.end(), end):
        mark = token.group()[0]
        if mark in _OPENING:
            depth += 1
        elif mark in _CLOSING and depth:
            depth -= 1
        elif depth == 0 and (mark == _COMMA or mark in _CLOSING):
            part = _trimmed(raw, part_start, token.start())
            closes = mark in _CLOSING
            if part is not None:
                yield part
            elif not closes or seen_comma:
                raise InvalidJsonError(f"a value is missing at byte {token.start()}")
            if closes:
                if token.group() != closing or _NOT_BLANK.search(raw, token.end(), end):
                    raise InvalidJsonError(f"unexpected text at byte {token.start()}")
                return
            part_start, seen_comma = token.end(), True
    if may_be_cut and (part := _trimmed(raw, part_start, end)) is not None:
        yield part
    raise InvalidJsonError("the document ends too early")


def _trimmed(raw: RawJson, start: int, end: int) -> Span | None:
    first = _NOT_BLANK.search(raw, start, end)
    if first is None:
        return None
    while raw[end - 1 : end] in (b" ", b"\t", b"\r", b"\n"):
        end -= 1
    return first.start(), end
