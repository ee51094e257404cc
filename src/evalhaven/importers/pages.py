"""Raw JSON of list pages and objects, split without parsing what is inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.domain.statuses import ACTIVE_RUN_STATUSES

RawText = bytes | msgspec.Raw

_FILE_PREFIXES = ("file-", "assistant-")
_FILE_HINTS = tuple(prefix.encode() for prefix in _FILE_PREFIXES)

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


class NotAListError(ValueError):
    """The text is JSON, but not a page of a list."""


@dataclass(frozen=True, slots=True)
class Page:
    """The objects of one page, each as its raw text; `has_more` is None if the page does not say."""

    objects: list[bytes]
    has_more: bool | None


@dataclass(frozen=True, slots=True)
class Head:
    """The few members of an eval or run that decide what is fetched.

    Attributes:
        total: Output items that a run counts; 0 for an eval.
        file_ids: Every file that a run's data source names.
    """

    id: str
    created_at: float = 0.0
    status: str | None = None
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    total: int = 0
    file_ids: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        """Tell whether a run will never change again."""
        return self.status is not None and self.status not in ACTIVE_RUN_STATUSES


def as_line(body: bytes) -> bytes:
    """Return a body as one line: line breaks, which JSON only has between tokens, become spaces."""
    return body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


def split_page(raw: bytes) -> Page:
    """Return the objects of a page, or the one object if the text is not a page.

    Raises:
        InvalidJsonError: The text is incomplete or not a JSON object.
    """
    found = _views(raw)
    if "data" not in found or bytes(found.get("object", b'"list"')) != b'"list"':
        return Page([raw.strip()], None)
    has_more = {b"true": True, b"false": False}.get(bytes(found.get("has_more", b"")))
    return Page(_raw_elements(found["data"]), has_more)


def split_list(raw: bytes) -> Page:
    """Return the objects of a page.

    Raises:
        InvalidJsonError: The text is incomplete or not JSON.
        NotAListError: The text is not a page.
    """
    page = split_page(raw)
    if page.objects == [raw.strip()]:
        raise NotAListError("the answer is not a list")
    return page


def raw_members(raw: bytes) -> dict[str, bytes]:
    """Return the raw text of each member's value of a JSON object.

    Raises:
        InvalidJsonError: The text is not one JSON object.
    """
    return {name: bytes(value) for name, value in _views(raw).items()}


def object_id(raw: bytes) -> str:
    """Return the id of an object.

    Raises:
        InvalidJsonError: The object has no id.
    """
    value = _value(_views(raw), "id")
    if not isinstance(value, str):
        raise InvalidJsonError("an object has no id")
    return value


def read_head(raw: bytes) -> Head:
    """Return the deciding members of an eval, run or completion; one of an unexpected type counts as absent.

    Raises:
        InvalidJsonError: The object has no id.
    """
    found = _views(raw)
    created_at, status, metadata = (_value(found, name) for name in ("created_at", "status", "metadata"))
    # Chat completions have another name for it.
    created_at = _value(found, "created") if created_at is None else created_at
    counts = _value(found, "result_counts")
    total = cast("dict[str, object]", counts).get("total") if isinstance(counts, dict) else None
    return Head(
        id=object_id(raw),
        created_at=float(created_at) if isinstance(created_at, int | float) else 0.0,
        status=status if isinstance(status, str) else None,
        metadata=cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {},
        total=total if isinstance(total, int) else 0,
        file_ids=_file_ids(found),
    )


def _file_ids(run: Mapping[str, RawText]) -> tuple[str, ...]:
    """Return the files that a run's data source names: for its rows, in its templates or for its tools."""
    text = bytes(run.get("data_source", b""))
    # Most sources that hold their rows inline name none, and need not be parsed.
    if not any(hint in text for hint in _FILE_HINTS):
        return ()
    found: dict[str, None] = {}
    waiting: list[object] = [jsontext.parse(text)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            members = cast("dict[str, object]", value)
            named = [members.get("file_id"), members.get("id") if members.get("type") == "file_id" else None]
            several = members.get("file_ids")
            named += cast("list[object]", several) if isinstance(several, list) else []
            found |= {each: None for each in named if isinstance(each, str) and each.startswith(_FILE_PREFIXES)}
            waiting += reversed(members.values())
        elif isinstance(value, list):
            waiting += reversed(cast("list[object]", value))
    return tuple(found)


def _views(raw: bytes) -> Mapping[str, RawText]:
    """Return the raw text of each member, without a copy where possible."""
    try:
        return _members.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        # msgspec refuses lone surrogates, which are valid JSON.
        jsontext.parse(raw)
        spans = jsontext.members(raw, (0, len(raw)))
        return {name: raw[start:end] for name, (start, end) in spans.items()}


def _raw_elements(raw: RawText) -> list[bytes]:
    try:
        return [bytes(element) for element in _elements.decode(raw)]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        text = bytes(raw)
        return [text[start:end] for start, end in jsontext.elements(text, (0, len(text)))]


def _value(found: Mapping[str, RawText], name: str) -> object:
    return jsontext.parse(bytes(found[name])) if name in found else None
