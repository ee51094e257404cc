"""Receiving request bodies: bounded, and written to disk if they may be large."""

import contextlib
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request

from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError, RequestTooLargeError, UnreadableEncodingError, not_json
from evalhaven.domain.jsontext import InvalidJsonError, JsonValue, RawJson
from evalhaven.storage.spool import open_spool

DOCUMENT_BYTES = 16 * 1024 * 1024  # largest body of requests that carry no rows
_IN_MEMORY_BYTES = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS
# Other words, such as `utf-8`, are sent by mistake with plain bodies.
_COMPRESSIONS = frozenset(("br", "compress", "dcb", "dcz", "deflate", "gzip", "x-compress", "x-gzip", "zstd"))


async def read_document(request: Request, max_bytes: int) -> JsonValue:
    """Return the JSON body of a request that carries no rows.

    Raises:
        RequestTooLargeError: The body is over the limit, or over 16 MB.
        InvalidRequestError: The body is not JSON.
    """
    return parse_body(await read_body(request, max_bytes))


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request that carries no rows.

    Raises:
        RequestTooLargeError: The body is over the limit, or over 16 MB.
    """
    body = bytearray()
    async for block in body_blocks(request, min(max_bytes, DOCUMENT_BYTES)):
        body += block
    return bytes(body)


async def read_gzipped(request: Request, max_bytes: int) -> bytes:
    """Return the body of a request that may be compressed with gzip, as exporters send it.

    Raises:
        RequestTooLargeError: The body is over the limit, as sent or unpacked.
        UnreadableEncodingError: The body is encoded in another way.
        InvalidRequestError: It is not gzip, although it is said to be.
    """
    is_packed = [each.strip().lower() for each in request.headers.getlist("content-encoding")] == ["gzip"]
    unpacking = zlib.decompressobj(_GZIP) if is_packed else None
    body = bytearray()
    async for block in body_blocks(request, max_bytes, frozenset({"gzip"}) if is_packed else frozenset()):
        if unpacking is None:
            body += block
            continue
        try:
            body += unpacking.decompress(block, max_bytes + 1 - len(body))
        except zlib.error as error:
            raise InvalidRequestError(
                "The body is not gzip, as 'Content-Encoding' says.", code="invalid_gzip"
            ) from error
        if len(body) > max_bytes:
            raise too_large(max_bytes)
    if unpacking is not None and not unpacking.eof:
        raise InvalidRequestError("The body ends before its gzip does.", code="invalid_gzip")
    return bytes(body)


def parse_body(body: bytes) -> JsonValue:
    """Return the JSON value of a body.

    Raises:
        InvalidRequestError: The body is not JSON.
    """
    try:
        return jsontext.parse_received(body)
    except InvalidJsonError as error:
        raise not_json(error) from error


@contextlib.asynccontextmanager
async def spooled_body(request: Request, spool_dir: Path, max_bytes: int) -> AsyncGenerator[RawJson]:
    """Receive a body that may be large: a small one in memory, a larger one in a file that is mapped.

    Raises:
        RequestTooLargeError: The body is over the limit.
    """
    with open_spool(spool_dir) as spool:
        head = bytearray()
        async for block in body_blocks(request, max_bytes):
            head += block
            if len(head) > _IN_MEMORY_BYTES:
                # In a thread: a disk that cannot keep up must not hold up other requests.
                await anyio.to_thread.run_sync(spool.write, bytes(head))
                head.clear()
        if not spool.size_bytes:
            yield bytes(head)
            return
        spool.write(head)
        yield spool.mapped()


async def body_blocks(request: Request, max_bytes: int, taken: frozenset[str] = frozenset()) -> AsyncGenerator[bytes]:
    """Yield a request's body as it arrives.

    Args:
        request: The request.
        max_bytes: The largest body.
        taken: Encodings that the caller unpacks.

    Raises:
        RequestTooLargeError: The declared or the actual length is over the limit.
        UnreadableEncodingError: The body is compressed or otherwise encoded.
    """
    refuse_codings("Content-Encoding", request.headers.getlist("content-encoding"), _COMPRESSIONS - taken)
    refuse_codings("Transfer-Encoding", request.headers.getlist("transfer-encoding"), _COMPRESSIONS)
    size = 0
    if declared_bytes(request) > max_bytes:
        raise too_large(max_bytes)
    async for block in request.stream():
        size += len(block)
        if size > max_bytes:
            raise too_large(max_bytes)
        yield block


def declared_bytes(request: Request) -> int:
    """Return how long a request says that its body is; 0 if it does not say."""
    declared = request.headers.get("content-length", "0")
    return int(declared) if declared.isdecimal() else 0


def refuse_codings(header: str, values: list[str], codings: frozenset[str]) -> None:
    """Refuse content that is sent encoded.

    A small compressed body may unpack to a huge one, so unpacking would need a limit of its own; the SDKs
    compress nothing.

    Args:
        header: The header that names codings.
        values: Its values, one for each time it was sent.
        codings: The codings that change the bytes.

    Raises:
        UnreadableEncodingError: One of these codings was used.
    """
    named = [coding.strip().lower() for value in values for coding in value.split(",")]
    if used := [coding for coding in named if coding in codings]:
        message = f"The body is encoded as {used[0]!r}, which is not decoded here: send it plain, without '{header}'."
        raise UnreadableEncodingError(message, param=header, code="unsupported_encoding")


def too_large(max_bytes: int) -> RequestTooLargeError:
    """Return the error of a body or file over a limit."""
    return RequestTooLargeError(
        f"The request body is over this server's limit of {max_bytes // 1024 // 1024} MB. Upload large data as a file "
        "(POST /v1/files) and name it by a 'file_id' source, or raise EVALHAVEN_MAX_BODY_MB or EVALHAVEN_MAX_FILE_MB.",
        code="request_too_large",
    )
