"""Rows sent inside the request: checked one by one and written to the run's blob, never held all at once."""

from dataclasses import dataclass

from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError, InvalidRowsError, RequestTooLargeError, not_json
from evalhaven.domain.jsontext import InvalidJsonError, JsonValue, RawJson, Span
from evalhaven.domain.schemas import ItemSchema
from evalhaven.runs.rows.checks import BareItemSearch, Notices, RowChecker
from evalhaven.runs.rows.parsing import MAX_ROW_BYTES, RowError
from evalhaven.storage.blobs import BlobWriter

CONTENT_PARAM = "data_source.source.content"
_PATH = ("data_source", "source", "content")
_SHOWN_ROWS = 10
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


@dataclass(frozen=True, slots=True)
class RunBody:
    """A create-run request taken apart.

    Attributes:
        document: The parsed body with an empty list in place of inline rows.
        rows: Where the list of inline rows is in the raw body; None if there is no list.
    """

    document: JsonValue
    rows: Span | None


def take_apart(raw: RawJson) -> RunBody:
    """Split a create-run body into its document and the place of its inline rows.

    Raises:
        InvalidJsonError: The body is not JSON.
        RequestTooLargeError: The body without its inline rows is over 16 MB.
    """
    rows = _find_rows(raw)
    if len(raw) - (0 if rows is None else rows[1] - rows[0]) > MAX_DOCUMENT_BYTES:
        raise RequestTooLargeError(
            "The request body is over 16 MB even without its inline rows. Upload large data as a file "
            "(POST /v1/files) and name it by a 'file_id' source.",
            code="request_too_large",
        )
    if rows is None:
        return RunBody(jsontext.parse_received(raw[:]), None)
    return RunBody(jsontext.parse_received(raw[: rows[0]] + b"[]" + raw[rows[1] :]), rows)


def write_inline_rows(
    raw: RawJson,
    rows: Span,
    schema: ItemSchema,
    writer: BlobWriter,
    *,
    is_sampled: bool = False,
    is_strict: bool = False,
    max_row_bytes: int = MAX_ROW_BYTES,
) -> Notices:
    """Check the inline rows of a request and write them as JSONL; return what their user has to be told.

    Args:
        raw: The request's body.
        rows: Where its rows are.
        schema: The schema that items must satisfy.
        writer: Receives the JSONL.
        is_sampled: Whether the run asks a model for its samples.
        is_strict: Whether a scalar where the schema declares a string is refused.
        max_row_bytes: What the executor reads as one line: a row with its line feed must not exceed it.

    Raises:
        InvalidRowsError: Rows are malformed or break the item schema; up to ten are named by index and JSON pointer.
        InvalidRequestError: The list of rows is empty.
    """
    problems: list[str] = []
    count = 0
    try:
        search = BareItemSearch()
        for start, end in jsontext.elements(raw, rows):
            if not search.look(raw[start:end]):
                break
        checker = RowChecker(schema, is_sampled=is_sampled, is_strict=is_strict, are_bare=search.are_bare)
        for start, end in jsontext.elements(raw, rows):
            text = raw[start:end]
            try:
                if len(text) >= max_row_bytes:
                    raise RowError(f"it is longer than {max_row_bytes // 1024 // 1024} MB.")  # noqa: TRY301 - a row's
                checker.check(text, f"row {count}")
            except RowError as error:
                problems.append(f"row {count}: {error}")
                if len(problems) == _SHOWN_ROWS:
                    break
            if not problems:
                # A raw line break in JSON is white space between tokens; a blank instead keeps one row on one line.
                writer.write(text.translate(_LINE_BREAKS) + b"\n")
            count += 1
    except InvalidJsonError as error:
        raise not_json(error) from error
    if problems:
        rest = " The rows after these were not looked at." if len(problems) == _SHOWN_ROWS else ""
        raise InvalidRowsError(
            f"'{CONTENT_PARAM}' has rows that cannot be used: {' '.join(problems)}{rest}", param=CONTENT_PARAM
        )
    if count == 0:
        raise InvalidRequestError(
            f"'{CONTENT_PARAM}' is empty: a run needs at least one row such as {{\"item\": {{…}}}}.",
            param=CONTENT_PARAM,
        )
    return checker.notices


def _find_rows(raw: RawJson) -> Span | None:
    span: Span = (0, len(raw))
    for name in _PATH:
        if not jsontext.starts_with(raw, span, b"{"):
            return None
        found = jsontext.members(raw, span, only=name).get(name)
        if found is None:
            return None
        span = found
    return span if jsontext.starts_with(raw, span, b"[") else None
