"""Uploads as no client should send them: parts, headers, boundaries and bytes of multipart forms."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.hostile.target import FORM_TYPE, PURPOSE, file_part, form, part

FILE_NAMES: list[bytes] = [
    b"",
    b".",
    b"../../../etc/passwd",
    b"..\\..\\boot.ini",
    b"C:\\x",
    b"a/b",
    b"a\0b",
    b"a%00b",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\u202efdp.exe".encode(),
    "größe 😀".encode(),
    b'a\\"b',
    b"a;b",
    b"a=b",
    b"x" * 4000,
    "😀".encode() * 500,
    b"nul",
    b"%s%n",
    b"\t",
    b"\x1b[2J",
    b"f.jsonl; name=purpose",
]
DISPOSITIONS: list[bytes] = [
    b"form-data",
    b"form-data; name=file",
    b'form-data; name="file"',
    b'form-data; name="file"; filename',
    b'form-data; name="file"; filename=',
    b"form-data; name=\"file\"; filename*=UTF-8''%ff%fe",
    b"form-data; name=\"file\"; filename*=UTF-16''x",
    b"form-data; name=\"file\"; filename*=klingon''x",
    b'form-data; name="file"; filename="a"; filename="b"',
    b'form-data; name="file"; name="purpose"; filename="x"',
    b'form-data; filename="x"',
    b'attachment; name="file"; filename="x"',
    b'form-data; name="purpose"; filename="x"',
    b'form-data; name="purpose"',
    b'form-data; name="expires_after"',
    b'form-data; name="expires_after[seconds]"',
    b'form-data; name="expires_after[anchor]"',
    b'form-data; name="expires_after[anchor][x]"',
    b'form-data; name="\0"',
    b'form-data; name="\xff"',
    b'form-data; name=""',
    b"",
    b";;;",
    b"x" * 9000,
    b'form-data; name="f' + b"x" * 7000 + b'"',
]
CONTENTS: list[bytes] = [
    b"",
    b"evals",
    b"batch",
    b"3600",
    b"created_at",
    b'{"anchor": "created_at", "seconds": 3600}',
    b'{"anchor": "created_at", "seconds": 1e999}',
    b"[" * 2000,
    b"\xff\x00",
    b"x" * 9000,
    b"--boundary",
    b"\r\n--boundar",
    b"\r\n--boundary\r",
    b"\r\n--boundary--\r\n",
    form(file_part(), PURPOSE),
    bytes(range(256)) * 100,
]
PART_HEADERS: list[bytes] = [
    b"content-type: application/octet-stream",
    b"content-type: multipart/mixed; boundary=inner",
    b"content-transfer-encoding: base64",
    b"content-length: 99999999",
    b"content-disposition: form-data; name=file; filename=second",
    b"no colon at all",
    b": no name",
    b"x-\xff: y",
    b"x: " + b"y" * 9000,
    b"x" * 9000 + b": y",
    b" folded: line",
    b"x:\0",
]
TYPES: list[bytes] = [
    FORM_TYPE,
    FORM_TYPE,
    FORM_TYPE,
    FORM_TYPE,
    b'multipart/form-data; boundary="boundary"',
    b"MULTIPART/FORM-DATA; BOUNDARY=boundary",
    b"multipart/form-data; charset=utf-16; boundary=boundary",
    b"multipart/form-data; boundary=boundary; boundary=other",
    b"multipart/form-data; boundary=other",
    b"multipart/form-data; boundary=-",
    b"multipart/form-data; boundary=" + b"x" * 300,
    b"multipart/form-data; boundary=\xff",
    b"multipart/form-data; boundary=",
    b"multipart/form-data",
    b"multipart/mixed; boundary=boundary",
    b"application/x-www-form-urlencoded",
    b"application/json",
    b"text/plain",
    b"",
]


@dataclass(frozen=True)
class Form:
    """An upload.

    Attributes:
        type: Its content type.
        body: The form.
        content: What its file must hold where the upload is accepted; None where the form leaves that open.
    """

    type: bytes
    body: bytes
    content: bytes | None = None


def _parts() -> st.SearchStrategy[bytes]:
    contents = st.sampled_from(CONTENTS) | st.binary(max_size=50)
    headers = st.lists(st.sampled_from(PART_HEADERS), max_size=2)
    strange = st.tuples(st.sampled_from(DISPOSITIONS), contents, headers).map(lambda each: part(*each))
    names = st.sampled_from(FILE_NAMES) | st.binary(max_size=20).filter(
        lambda raw: b"\r" not in raw and b"\n" not in raw
    )
    return strange | st.builds(file_part, names, contents) | st.just(PURPOSE)


@st.composite
def strange_forms(draw: st.DrawFn) -> Form:
    """Draw a form of valid, strange and repeated parts, whole or with its bytes changed."""
    parts = draw(st.lists(_parts(), max_size=4))
    if draw(st.booleans()):
        parts = [file_part(), PURPOSE, *parts]
    body = form(*draw(st.permutations(parts)))
    at = draw(st.integers(0, len(body)))
    junk = draw(st.binary(min_size=1, max_size=5))
    changes: list[Any] = [
        body,
        body,
        body,
        body[:at],
        body[:at] + junk + body[at:],
        b"preamble\r\n" + body,
        body + junk,
    ]
    changes += [body.replace(b"\r\n", b"\n"), body * 2, b""]
    return Form(draw(st.sampled_from(TYPES)), draw(st.sampled_from(changes)))


@st.composite
def named_files(draw: st.DrawFn) -> Form:
    """Draw a form that is in order but for the file's name, with any content."""
    name = draw(st.sampled_from(FILE_NAMES) | st.text(max_size=20).map(lambda text: text.encode()))
    name = name.replace(b"\r", b"").replace(b"\n", b"").replace(b'"', b"%22")
    content = draw(st.binary(max_size=300))
    assert b"--boundary" not in content
    return Form(FORM_TYPE, form(file_part(name, content), PURPOSE), content)
