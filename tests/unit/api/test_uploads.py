"""Facts about file uploads."""

from pathlib import Path

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from evalhaven.api.uploads import ReceivedForm, receive_form
from evalhaven.domain.errors import InvalidRequestError, RequestTooLargeError
from evalhaven.storage.blobs import BlobStore

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
    blobs = BlobStore(tmp_path / "blobs")
    with blobs.writer() as writer:
        form = await receive_form(Request(scope, receive_message), writer, limit)
        blobs.commit(writer, "received")
    return form, blobs.path("received").read_bytes()


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


@pytest.mark.parametrize("filename", ["é😀.jsonl", "../../etc/passwd", "a b;c.jsonl", "x" * 300, "C:\\\\rows.jsonl"])
async def test_names_of_files_are_only_names(tmp_path: Path, filename: str) -> None:
    form, content = await receive(tmp_path, file_part(b"x", filename) + END)

    assert form.filename
    assert content == b"x"


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
