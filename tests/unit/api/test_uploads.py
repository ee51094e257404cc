"""Facts about file uploads."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from evalhaven.api.uploads import ReceivedForm, receive_form
from evalhaven.domain.errors import InvalidRequestError, RequestTooLargeError, UnreadableEncodingError
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.local_blobs import LocalBlobStore
from tests.unit.storage.stored import blob_path

BOUNDARY = b"bound"
END = b"\r\n--bound--\r\n"
LIMIT = 1024 * 1024
PIECES = st.sampled_from(
    [b"\r\n--boun", b"\r\n--", b"\r\n", b"\r", b"\n", b"--bound", b"--", b"-", b"\0", b"\xff", b""]
)


def part(name: str, content: bytes, more: str = "") -> bytes:
    """Return one part of a form, without the line break that ends it."""
    return f'--bound\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content


def file_part(content: bytes, filename: str = "rows.jsonl") -> bytes:
    """Return the part of the file."""
    return part("file", content, f'; filename="{filename}"')


async def receive(
    tmp_path: Path,
    body: bytes,
    sizes: list[int] | None = None,
    content_type: str = "multipart/form-data; boundary=bound",
    limit: int = LIMIT,
) -> tuple[ReceivedForm, bytes]:
    """Return the form of a body that arrives in blocks of these sizes, and the content of its file."""
    blocks: list[bytes] = []
    for size in sizes or []:
        blocks.append(body[:size])
        body = body[size:]
    messages: list[Message] = [
        *({"type": "http.request", "body": block, "more_body": True} for block in blocks),
        {"type": "http.request", "body": body, "more_body": False},
    ]

    async def receive_message() -> Message:
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}
    blobs = LocalBlobStore(tmp_path / "blobs")
    with blobs.writer() as writer:
        form = await receive_form(Request(scope, receive_message), writer, limit)
        writer.commit(DEFAULT_PROJECT, "received")
    return form, blob_path(blobs, "received").read_bytes()


async def test_file_and_fields_are_received(tmp_path: Path) -> None:
    body = b"\r\n".join(
        [part("purpose", b"evals"), file_part(b"line\r\n\r\nline"), part("expires_after[seconds]", b"3600")]
    )
    form, content = await receive(tmp_path, body + END)

    assert form == ReceivedForm({"purpose": "evals", "expires_after[seconds]": "3600"}, "rows.jsonl")
    assert content == b"line\r\n\r\nline"


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@given(st.lists(PIECES | st.binary(max_size=30), max_size=8).map(b"".join), st.lists(st.integers(0, 40), max_size=12))
async def test_any_content_arrives_byte_for_byte_in_any_blocks(
    tmp_path: Path, content: bytes, sizes: list[int]
) -> None:
    hypothesis.assume(b"\r\n--bound" not in b"\r\n" + content)
    body = b"\r\n".join([part("purpose", b"evals"), file_part(content)]) + END
    form, received = await receive(tmp_path, body, sizes)

    assert received == content
    assert form.fields == {"purpose": "evals"}


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ('filename="rows.jsonl"', "rows.jsonl"),
        ("filename=rows.jsonl", "rows.jsonl"),
        ('Filename="rows.jsonl"', "rows.jsonl"),
        ('filename="é😀.jsonl"', "é😀.jsonl"),
        ('filename="a b;c.jsonl"', "a b;c.jsonl"),
        ('filename="q\\"x.jsonl"', 'q"x.jsonl'),
        (f'filename="{"x" * 300}"', "x" * 300),
        ("filename*=UTF-8''na%C3%AFve.jsonl", "naïve.jsonl"),
        ("filename*=utf-8'en'%E2%82%AC.jsonl", "€.jsonl"),
        ("filename*=\"iso-8859-1''na%EFve.jsonl\"", "naïve.jsonl"),
        ("filename=\"na_ve.jsonl\"; filename*=UTF-8''na%C3%AFve.jsonl", "naïve.jsonl"),
        ("filename*=UTF-8''na%C3%AFve.jsonl; filename=\"na_ve.jsonl\"", "naïve.jsonl"),
        ("filename=\"a; filename*=utf-8''b.jsonl\"", "a; filename*=utf-8''b.jsonl"),
        ("filename=\"a.jsonl\"; filename*=klingon''b.jsonl", "a.jsonl"),
        ("filename*=UTF-8''%ff.jsonl", "\ufffd.jsonl"),
    ],
)
async def test_the_name_of_a_file_is_read_in_every_form(tmp_path: Path, sent: str, name: str) -> None:
    form, content = await receive(tmp_path, part("file", b"x", f"; {sent}") + END)

    assert (form.filename, content) == (name, b"x")


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ('filename="../../etc/passwd"', "passwd"),
        ('filename="/tmp/rows.jsonl"', "rows.jsonl"),
        ('filename="C:\\data\\rows.jsonl"', "rows.jsonl"),
        ('filename="C:\\\\data\\\\rows.jsonl"', "rows.jsonl"),
        ('filename="data\\rows.jsonl"', "rows.jsonl"),
        ('filename="a/b\\c.jsonl"', "c.jsonl"),
        ('filename="rows/"', "rows"),
        ("filename*=UTF-8''..%2f..%2Frows.jsonl", "rows.jsonl"),
        ("filename*=UTF-8''a%5Crows.jsonl", "rows.jsonl"),
        ("filename*=UTF-8''ro%00ws%0D%0A.jsonl", "rows.jsonl"),
        ('filename=".."', "upload"),
        ('filename="."', "upload"),
        ('filename="///"', "upload"),
        ('filename=""', "upload"),
        ("filename*=UTF-8''%00", "upload"),
    ],
)
async def test_of_a_path_only_the_last_part_is_the_name(tmp_path: Path, sent: str, name: str) -> None:
    form, _ = await receive(tmp_path, part("file", b"x", f"; {sent}") + END)

    assert form.filename == name


@pytest.mark.parametrize("coding", ["base64", "Quoted-Printable"])
async def test_a_part_that_is_encoded_is_refused_and_not_stored_as_it_came(tmp_path: Path, coding: str) -> None:
    head = f'--bound\r\nContent-Disposition: form-data; name="file"\r\nContent-Transfer-Encoding: {coding}\r\n\r\n'
    with pytest.raises(UnreadableEncodingError, match="Content-Transfer-Encoding"):
        await receive(tmp_path, head.encode() + b"e30=" + END)


async def test_a_part_that_is_said_to_be_plain_is_stored(tmp_path: Path) -> None:
    head = b'--bound\r\nContent-Disposition: form-data; name="file"\r\nContent-Transfer-Encoding: binary\r\n\r\n'

    assert (await receive(tmp_path, head + b"{}" + END))[1] == b"{}"


async def test_a_file_without_a_name_is_called_upload(tmp_path: Path) -> None:
    form, _ = await receive(tmp_path, part("file", b"x") + END)

    assert form.filename == "upload"


async def test_a_form_without_a_file_has_no_filename(tmp_path: Path) -> None:
    form, content = await receive(tmp_path, part("purpose", b"evals") + END)

    assert (form.filename, content) == (None, b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not a form",
        b"--bound",
        b"--other\r\n\r\n",
        file_part(b"x"),
        file_part(b"x") + b"\r\n--bound",
        file_part(b"x") + b"\r\n--boundary--\r\n",
        b"--bound\r\nno colon\r\n\r\nx" + END,
        b"--bound\r\nContent-Disposition form-data\r\n\r\nx" + END,
        file_part(b"x") + b"\r\n" + file_part(b"y") + END,
        part("purpose", b"x" * 9000) + END,
        b"--bound\r\nx: " + b"y" * 9000 + b"\r\n\r\nx" + END,
        b"--bound\r\n" + b"x" * 9000 + b": y\r\n\r\nx" + END,
        b"\r\n".join(part(f"field{number}", b"") for number in range(40)) + END,
    ],
)
async def test_malformed_forms_are_refused(tmp_path: Path, body: bytes) -> None:
    for sizes in ([], [1] * min(len(body), 200)):
        with pytest.raises(InvalidRequestError):
            await receive(tmp_path, body, sizes)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=bound",
        f"multipart/form-data; boundary={'x' * 300}",
    ],
)
async def test_other_content_types_are_refused(tmp_path: Path, content_type: str) -> None:
    with pytest.raises(InvalidRequestError):
        await receive(tmp_path, file_part(b"x") + END, content_type=content_type)


async def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    assert (await receive(tmp_path, file_part(b"x" * 1000) + END, limit=1000))[1] == b"x" * 1000
    with pytest.raises(RequestTooLargeError):
        await receive(tmp_path, file_part(b"x" * 200_000) + END, [50_000] * 4, limit=1000)
