"""Facts about rows and the lines they are on."""

from io import BytesIO
from typing import Any

import pytest

from evalhaven.domain.samples import NO_SAMPLE
from evalhaven.runs.rows.parsing import MAX_ROW_BYTES, RowError, is_bare_item, lines_of, parse_row

DEEP = b'{"a":' * 600 + b"1" + b"}" * 600


@pytest.mark.parametrize(
    ("raw", "item", "text"),
    [
        (b'{"item":{"a":1}}', {"a": 1}, '{"a":1}'),
        (b' {"item" : { "a" : 1.0 } , "x": [] }\r', {"a": 1.0}, '{ "a" : 1.0 }'),
        (b'{"item":{},"item":{"a":1}}', {"a": 1}, '{"a":1}'),
        (b'{"item":1,"item":{}}', {}, "{}"),
        (b'{"it\\u0065m":{"a":2}}', {"a": 2}, '{"a":2}'),
        (b'{"item":{"a":"\\ud800"}}', {"a": "\ud800"}, '{"a":"\\ud800"}'),
        (b'{"\\ud800":0,"item":{"a":"\\u0000"}}', {"a": "\0"}, '{"a":"\\u0000"}'),
        (b'{"item":{"a":123456789012345678901234567890}}', {"a": 123456789012345678901234567890}, None),
        ('{"item":{"é":"😀"},"ü":1}'.encode(), {"é": "😀"}, '{"é":"😀"}'),
    ],
)
def test_items_are_kept_as_they_were_written(raw: bytes, item: Any, text: str | None) -> None:
    row = parse_row(raw)

    assert row.item == item
    assert row.item_text == (text or raw[8:-1].decode())
    assert row.sample is NO_SAMPLE


@pytest.mark.parametrize("sample", [b"null", b"{}", b" { } "])
def test_an_empty_sample_is_none(sample: bytes) -> None:
    assert parse_row(b'{"item":{},"sample":' + sample + b"}").sample is NO_SAMPLE


def test_a_sample_is_kept_as_it_was_written() -> None:
    sample = parse_row(b'{"sample":{ "output_text":"\\ud800" },"item":{}}').sample

    assert sample.recorded_text == '{ "output_text":"\\ud800" }'
    assert sample.namespace == {"output_text": "\ud800", "output_tools": []}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{}", "with the key 'item'"),
        (b"[]", "with the key 'item'"),
        (b'"item"', "with the key 'item'"),
        (b'{"items":{}}', "with the key 'item'"),
        (b'{"item":5}', "its 'item' must be an object"),
        (b'{"item":null}', "its 'item' must be an object"),
        (b'{"item":[]}', "its 'item' must be an object"),
        (b'{"item":{},"sample":[]}', "its 'sample' must be an object or absent"),
        (b'{"item":{},"sample":"x"}', "its 'sample' must be an object or absent"),
        (b'{"item":{}', "not valid JSON"),
        (b'{"item":{}} {"item":{}}', "not valid JSON"),
        (b"{'item':{}}", "not valid JSON"),
        (b'{"item":{"a":NaN}}', "NaN is not a JSON number"),
        (b'{"item":{"a":1e400}}', "out of range"),
        (b'{"item":{},"sample":{"a":1e400}}', "out of range"),
        (b'{"item":{"a":"\xff"}}', "not valid UTF-8"),
        (b'{"item":{},"other":"\xff"}', "not valid UTF-8"),
        (b'{"\xed\xa0\x80":0,"item":{}}', "not valid UTF-8"),
        (b'{"item":' + DEEP + b"}", "nested too deeply"),
        (b'{"item":{},"sample":' + DEEP + b"}", "nested too deeply"),
        (b'{"item":' * 100_000, "nested too deeply"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        parse_row(raw)


def test_a_bare_item_is_a_row_only_where_it_may_be() -> None:
    raw = b' {"question" : "x", "items": 1.0}'
    row = parse_row(raw, may_be_bare=True)

    assert (row.item, row.item_text, row.sample) == ({"question": "x", "items": 1.0}, raw.decode(), NO_SAMPLE)
    for text in (raw, b"{}", b'{"sample":{}}'):
        with pytest.raises(RowError, match="with the key 'item'"):
            parse_row(text)
    with pytest.raises(RowError, match="with the key 'item'"):
        parse_row(b'{"sample":{},"question":"x"}', may_be_bare=True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"item":{}}', False),
        (b'{"sample":null,"a":1}', False),
        (b'{"it\\u0065m":1}', False),
        (b'{"item":{"a":"\\ud800"}}', False),
        (b'{"a":{"item":1}}', True),
        (b'{"\\ud800":1}', True),
        (b"{}", True),
        (b"[]", None),
        (b"null", None),
        (b'{"item"', None),
        (b"\xff", None),
        (b'{"item":' * 100_000, None),
    ],
)
def test_a_bare_item_is_told_by_its_keys(raw: bytes, expected: bool | None) -> None:
    assert is_bare_item(raw) is expected


def texts(content: bytes) -> list[tuple[int, bytes]]:
    """Return number and text of the lines of a file."""
    return [(line.number, line.text) for line in lines_of(BytesIO(content), start=0)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n\n \n\t\r\n", []),
        (b"a\nb\n", [(1, b"a"), (2, b"b")]),
        (b"a\nb", [(1, b"a"), (2, b"b")]),
        (b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
        (b"\n\na\n\n \nb", [(3, b"a"), (6, b"b")]),
        (b"\xef\xbb\xbfa\nb", [(1, b"a"), (2, b"b")]),
        (b"\xef\xbb\xbf\na", [(2, b"a")]),
        (b"a\n\xef\xbb\xbfb", [(1, b"a"), (2, b"\xef\xbb\xbfb")]),
        ("a\u2028b\u0085c\n".encode(), [(1, "a\u2028b\u0085c".encode())]),
    ],
)
def test_lines_are_numbered_as_an_editor_does(content: bytes, expected: list[tuple[int, bytes]]) -> None:
    assert texts(content) == expected


def test_lines_can_be_read_again_from_where_they_stand() -> None:
    content = b"\xef\xbb\xbffirst\n\n  second\r\nthird"
    found = list(lines_of(BytesIO(content), start=0))

    for first, line in enumerate(found):
        again = lines_of(BytesIO(content), line.start, found[-1].end)
        assert [each.text for each in again] == [each.text for each in found[first:]]
        assert [each.text for each in lines_of(BytesIO(content), line.start, line.end)] == [line.text]


def test_a_line_over_the_limit_is_named() -> None:
    fits = b"x" * (MAX_ROW_BYTES - 1) + b"\n"

    with pytest.raises(RowError, match="Line 3 is longer than 32 MB"):
        texts(fits + b"\n" + b"x" + fits)
