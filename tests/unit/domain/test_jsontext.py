"""Facts about exact JSON: what survives to the last digit, what is refused, and how documents are split."""

import gzip
import mmap
from hashlib import sha256
from pathlib import Path

import pytest

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import MAX_NESTING, InvalidJsonError


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993",
        "18446744073709551616",
        "-100000000000000000000000000000000000000001",
        "1.0",
        "-0.0",
        "0.1",
        "1e+22",
        '"\\ud800"',
        '"\\udfff tail"',
        '{"\\ud800":"\\ud800"}',
        '"\\u0000"',
        '{"b":1,"a":2}',
        '"é\u2028😀"',
        "[]",
        "{}",
        "null",
    ],
)
def test_parsed_text_is_rendered_to_the_same_value(text: str) -> None:
    value = jsontext.parse(text)

    assert repr(jsontext.parse(jsontext.render(value))) == repr(value)
    assert repr(jsontext.parse(text.encode())) == repr(value)


@pytest.mark.parametrize(
    "text", ['{"b":1,"a":[true,null,1.5]}', '"é😀"', '"\\u0000"', "123456789012345678901234567890"]
)
def test_compact_text_is_rendered_byte_for_byte(text: str) -> None:
    assert jsontext.render(jsontext.parse(text)) == text


def test_surrogate_pairs_are_one_character() -> None:
    assert jsontext.parse('"\\ud83d\\ude00"') == "😀"


def test_a_repeated_key_counts_as_its_last_occurrence() -> None:
    assert jsontext.parse('{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"NaN", "NaN is not a JSON number"),
        (b"[Infinity]", "Infinity is not a JSON number"),
        (b"-Infinity", "-Infinity is not a JSON number"),
        (b"1e400", "the number 1e400 is out of range"),
        (b"[-1e999]", "out of range"),
        (b"\xef\xbb\xbf{}", "line 1, column 1"),
        (b'"\xff"', "not valid UTF-8 at byte 1"),
        (gzip.compress(b"{}", mtime=0), "it is compressed by gzip: unpack it first"),
        (b"\x28\xb5\x2f\xfd\x20\xff", "it is compressed by zstd: unpack it first"),
        (b"PK\x03\x04\x14\x00\xff", "it is a zip archive or an office document: unpack or export it first"),
        ('{"a": "\u00e9"}'.encode("utf-16"), "it is UTF-16: save it as UTF-8"),
        (b"\xfe\xff" + "{}".encode("utf-16-be"), "it is UTF-16: save it as UTF-8"),
        (b'"\xed\xa0\x80"', "not valid UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"", "line 1, column 1"),
        (b"{} {}", "line 1, column 4"),
        (b"[1,]", "line 1"),
        (b'{"a":1,}', "line 1"),
        (b"'a'", "line 1"),
        (b'"\n"', "^Invalid control character at line 1, column 2$"),
        (b'{"a": "cut', "^Unterminated string starting at line 1, column 7$"),
        (b"01", "line 1"),
        (b"9" * 5000, "digits"),
        (b'{\n  "a": tru\n}', "line 2, column 8"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidJsonError, match=reason):
        jsontext.parse(raw)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_received_text_may_have_500_levels_and_no_more(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> bytes:
        return f"{opening * levels}1{closing * levels}".encode()

    assert jsontext.parse_received(nested(MAX_NESTING)) == jsontext.parse(nested(MAX_NESTING))
    for text in (nested(MAX_NESTING + 1), nested(MAX_NESTING + 1).decode()):
        with pytest.raises(InvalidJsonError, match="nested too deeply"):
            jsontext.parse_received(text)


def test_brackets_side_by_side_or_inside_strings_are_no_levels() -> None:
    wide = "[" + ",".join(["[]"] * (2 * MAX_NESTING)) + "]"
    texts = '["' + "[" * (2 * MAX_NESTING) + '","\\"[[","\ud800"]'

    assert jsontext.parse_received(wide) == [[]] * (2 * MAX_NESTING)
    assert jsontext.parse_received(texts) == ["[" * (2 * MAX_NESTING), '"[[', "\ud800"]


def test_canonical_hash_is_that_of_the_compact_sorted_text() -> None:
    text = '{"a":[1,"é"],"b":null}'

    assert jsontext.canonical_hash({"b": None, "a": [1, "é"]}) == sha256(text.encode()).digest()


def test_canonical_hash_is_defined_for_lone_surrogates() -> None:
    assert jsontext.canonical_hash({"a": "\ud800"}) != jsontext.canonical_hash({"a": "\ud801"})


def test_members_and_elements_stand_where_the_values_are() -> None:
    raw = b' {"a" : [1, {"b": "}],"}] , "c":\t"\\"" } '
    spans = jsontext.members(raw, (0, len(raw)))

    assert {key: raw[start:end] for key, (start, end) in spans.items()} == {
        "a": b'[1, {"b": "}],"}]',
        "c": b'"\\""',
    }
    assert [raw[start:end] for start, end in jsontext.elements(raw, spans["a"])] == [b"1", b'{"b": "}],"}']


def test_documents_in_mapped_files_are_split_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(b'{"rows": [1, 22]}')
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        rows = jsontext.members(raw, (0, len(raw)))["rows"]

        assert jsontext.starts_with(raw, rows, b"[")
        assert [raw[start:end] for start, end in jsontext.elements(raw, rows)] == [b"1", b"22"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"  ",
        b"[]",
        b"{",
        b'{"a"}',
        b'{"a":}',
        b"{a:1}",
        b'{"a":1,}',
        b'{,"a":1}',
        b'{"a":1]',
        b'{"a":1} x',
        b'{1:"a"}',
        b'{"a" 1}',
        b'{"a\n":1}',
        b"1",
    ],
)
def test_what_is_no_object_has_no_members(raw: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        jsontext.members(raw, (0, len(raw)))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[", b"[1,]", b"[,1]", b"[1,,2]", b"[1}", b"[1] 2", b"[1"])
def test_what_is_no_array_has_no_elements(raw: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        list(jsontext.elements(raw, (0, len(raw))))
