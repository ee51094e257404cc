"""A file is uploaded by the form of every official client: quoting, names beyond ASCII, field names, part heads.

openai-go writes forms with mime/multipart, and openai-java by itself. openai-dotnet uses System.Net.Http, which quotes
names only if it must and writes those beyond ASCII as encoded words. openai-ruby percent-encodes names and writes
objects as JSON.
"""

import json
from urllib.parse import quote

import httpx2
import pytest

from tests.clients.scenario import ROWS
from tests.clients.wire import HEADERS, Wire, chunked
from tests.server import Server

CONTENT = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
NAME = "größe.jsonl"


def form_of(boundary: str, *parts: tuple[str, bytes]) -> bytes:
    """Return a multipart body of parts: the lines of a head, and content."""
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return body + f"--{boundary}--\r\n".encode()


_DOTNET_BOUNDARY = "0123456789=ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz012345"
_ENCODED_WORD = "=?utf-8?B?Z3LDtsOfZS5qc29ubA==?="
_DISPOSITION = "Content-Disposition: form-data; name="

# By client: the boundary as its header names it, the form, and the name that the file gets.
FORMS: dict[str, tuple[str, bytes, str]] = {
    "go": (
        "e1b7c5a9d3",
        form_of(
            "e1b7c5a9d3",
            (f'{_DISPOSITION}"file"; filename="{NAME}"\r\nContent-Type: application/octet-stream', CONTENT),
            (f'{_DISPOSITION}"purpose"', b"evals"),
            (f'{_DISPOSITION}"expires_after[seconds]"', b"3600"),
            (f'{_DISPOSITION}"expires_after[anchor]"', b"created_at"),
        ),
        NAME,
    ),
    "java": (
        "3f0b0b0e-2f57-4b8e-9f0e-0d9b7d5b8c11",
        form_of(
            "3f0b0b0e-2f57-4b8e-9f0e-0d9b7d5b8c11",
            (f'{_DISPOSITION}"purpose"\r\nContent-Type: text/plain; charset=utf-8', b"evals"),
            (f'{_DISPOSITION}"expires_after[anchor]"\r\nContent-Type: text/plain; charset=utf-8', b"created_at"),
            (f'{_DISPOSITION}"expires_after[seconds]"\r\nContent-Type: text/plain; charset=utf-8', b"3600"),
            (f'{_DISPOSITION}"file"; filename="{NAME}"\r\nContent-Type: application/octet-stream', CONTENT),
        ),
        NAME,
    ),
    "dotnet": (
        f'"{_DOTNET_BOUNDARY}"',
        form_of(
            _DOTNET_BOUNDARY,
            (f"{_DISPOSITION}file; filename=\"{_ENCODED_WORD}\"; filename*=utf-8''gr%C3%B6%C3%9Fe.jsonl", CONTENT),
            (f"Content-Type: text/plain; charset=utf-8\r\n{_DISPOSITION}purpose", b"evals"),
            (f'Content-Type: text/plain; charset=utf-8\r\n{_DISPOSITION}"expires_after[seconds]"', b"3600"),
            (f'Content-Type: text/plain; charset=utf-8\r\n{_DISPOSITION}"expires_after[anchor]"', b"created_at"),
        ),
        NAME,
    ),
    "ruby": (
        "Zm9v-YmFy_x",
        form_of(
            "Zm9v-YmFy_x",
            (
                f'{_DISPOSITION}"file"; filename="{quote(NAME)}"\r\nContent-Type: application/octet-stream',
                CONTENT,
            ),
            (f'{_DISPOSITION}"purpose"\r\nContent-Type: text/plain', b"evals"),
            (
                f'{_DISPOSITION}"expires_after"\r\nContent-Type: application/json',
                b'{"anchor":"created_at","seconds":3600}',
            ),
        ),
        quote(NAME),
    ),
}


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length known", "chunked"])
@pytest.mark.parametrize("client", FORMS)
def test_a_file_is_uploaded_by_every_form_of_the_request(server: Server, client: str, is_chunked: bool) -> None:
    boundary, body, name = FORMS[client]
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    content_type = f"Content-Type: multipart/form-data; boundary={boundary}"
    with Wire(server) as wire:
        status, made = wire.ask(
            "POST /v1/files",
            *HEADERS[client],
            content_type,
            length,
            body=chunked(body, 61) if is_chunked else body,
        )
    assert status == 200, made
    assert (made["filename"], made["purpose"], made["bytes"]) == (name, "evals", len(CONTENT))
    assert made["expires_at"] == made["created_at"] + 3600
    assert httpx2.get(f"{server.url}/v1/files/{made['id']}/content").content == CONTENT


@pytest.mark.parametrize("name", ["=?utf-8?B?####?=", "=?utf-8?B?/w==?=", "=?utf-8?B?AAo=?=", "=?latin1?Q?x?="])
def test_a_name_that_only_looks_like_an_encoded_word_stays(server: Server, name: str) -> None:
    body = form_of("x", (f'{_DISPOSITION}"file"; filename="{name}"', b"{}"), (f'{_DISPOSITION}"purpose"', b"evals"))
    answer = httpx2.post(
        f"{server.url}/v1/files", content=body, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert (answer.status_code, answer.json()["filename"]) == (200, name)
