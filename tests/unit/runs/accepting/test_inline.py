"""Facts about rows that are sent inside a request."""

import json
from pathlib import Path

import pytest

from evalhaven.domain.errors import InvalidRequestError, InvalidRowsError
from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.runs.accepting.inline import take_apart, write_inline_rows
from evalhaven.runs.rows.parsing import MAX_ROW_BYTES
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.local_blobs import LocalBlobStore
from tests.unit.storage.stored import blob_path

ANY_ITEM = ItemSchema({"type": "object"})
NUMBERED = ItemSchema({"properties": {"n": {"type": "integer"}}})


def body_with(content: str, before: str = "", after: str = "") -> bytes:
    """Return a create-run body with this text as its inline rows."""
    source = f'{{"type":"file_content",{before}"content":{content}{after}}}'
    return f'{{"name":"r","data_source":{{"type":"jsonl","source":{source}}},"metadata":{{}}}}'.encode()


def write(raw: bytes, blobs: BlobStore, schema: ItemSchema = ANY_ITEM, max_row_bytes: int = MAX_ROW_BYTES) -> bytes:
    """Return the JSONL that is written from a body's rows."""
    rows = take_apart(raw).rows
    assert rows is not None
    with blobs.writer() as writer:
        write_inline_rows(raw, rows, schema, writer, max_row_bytes=max_row_bytes)
        writer.commit(DEFAULT_PROJECT, "run")
    return blob_path(blobs, "run").read_bytes()


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    """Return an empty blob store."""
    return LocalBlobStore(tmp_path)


def test_rows_are_taken_out_of_the_document() -> None:
    raw = body_with('[ {"item":{}}, 5 ]')
    body = take_apart(raw)

    assert body.rows is not None
    assert raw[slice(*body.rows)] == b'[ {"item":{}}, 5 ]'
    assert body.document == json.loads(body_with("[]"))


@pytest.mark.parametrize("content", ["null", "5", '"[]"', '{"0":{"item":{}}}', "true"])
def test_content_that_is_no_list_stays_in_the_document(content: str) -> None:
    body = take_apart(body_with(content))

    assert body.rows is None
    assert body.document == json.loads(body_with(content))


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"[]",
        b"5",
        b'{"data_source":null}',
        b'{"data_source":{}}',
        b'{"data_source":{"source":[1]}}',
        b'{"data_source":{"source":{"type":"file_id","id":"file-1"}}}',
        b'{"source":{"content":[1]}}',
    ],
)
def test_bodies_without_inline_rows_are_parsed_whole(raw: bytes) -> None:
    body = take_apart(raw)

    assert body.rows is None
    assert body.document == json.loads(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xef\xbb\xbf{}", b'{"data_source":{"source":{"content":[}}}', b"\xff", b'{"a":1}x']
)
def test_bodies_that_are_not_json_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        take_apart(raw)


def test_of_repeated_keys_the_last_counts(blobs: BlobStore) -> None:
    raw = body_with('[{"item":{"n":2}}]', before='"content":[{"item":{"n":1}}],')

    assert write(raw, blobs) == b'{"item":{"n":2}}\n'
    assert take_apart(raw).document == json.loads(body_with("[]"))


def test_rows_are_written_byte_for_byte(blobs: BlobStore) -> None:
    row = '{ "item" : {"n":1.0,"s":"\\ud800\\u0000\\n é😀","big":123456789012345678901234567890} , "x":null}'

    assert write(body_with(f"[{row},\t{row} ]"), blobs) == f"{row}\n{row}\n".encode()


def test_line_breaks_inside_rows_become_blanks(blobs: BlobStore) -> None:
    assert write(body_with('[\r\n{\n"item"\r\n:{\r"a":"x\\ny"}}\n]'), blobs) == b'{ "item"  :{ "a":"x\\ny"}}\n'


def test_rows_that_break_the_schema_are_named_by_index_and_pointer(blobs: BlobStore) -> None:
    with pytest.raises(InvalidRowsError) as refusal:
        write(body_with('[{"item":{"n":1}},{"item":{"n":"x"}},{"item":5}]'), blobs, NUMBERED)

    assert refusal.value.param == "data_source.source.content"
    assert refusal.value.code == "invalid_data_source"
    assert 'row 1: its item does not match the item schema: /n: "x" is not of type "integer".' in refusal.value.message
    assert "row 2: its 'item' must be an object." in refusal.value.message
    assert "row 0" not in refusal.value.message


def test_at_most_ten_rows_are_named(blobs: BlobStore) -> None:
    with pytest.raises(InvalidRowsError) as refusal:
        write(body_with(json.dumps([{"item": number} for number in range(50)])), blobs)

    assert [f"row {number}:" in refusal.value.message for number in range(50)] == [True] * 10 + [False] * 40
    assert refusal.value.message.endswith(" The rows after these were not looked at.")


def test_a_refusal_that_names_all_rows_mentions_no_others(blobs: BlobStore) -> None:
    with pytest.raises(InvalidRowsError) as refusal:
        write(body_with(json.dumps([{"item": number} for number in range(9)])), blobs)

    assert "not looked at" not in refusal.value.message


def test_no_rows_are_refused(blobs: BlobStore) -> None:
    with pytest.raises(InvalidRequestError, match="is empty: a run needs at least one row"):
        write(body_with("[ ]"), blobs)


@pytest.mark.parametrize("content", ['[{"item":{}},]', '[{"item":{}}} ]', '[,{"item":{}}]'])
def test_lists_that_are_not_json_are_refused(content: str, blobs: BlobStore) -> None:
    raw = body_with(content)
    with pytest.raises((InvalidRequestError, InvalidJsonError), match=r"not valid JSON|at line|at byte"):
        write(raw, blobs)


def test_a_row_that_no_file_could_hold_is_refused(blobs: BlobStore) -> None:
    fits = '{"item":{}}'
    most = len(fits) + len("\n")
    assert write(body_with(f"[{fits}]"), blobs, max_row_bytes=most)
    with pytest.raises(InvalidRowsError, match="row 1: it is longer than"):
        write(body_with(f'[{fits},{{"item": {{}}}}]'), blobs, max_row_bytes=most)
