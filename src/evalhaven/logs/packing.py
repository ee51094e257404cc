"""The stored form of a logged call: bytes to be compressed, without the files that its texts hold as data.

Images and other files that a request or reply holds as `data:…;base64,…` are kept beside the calls, once by their
hash. In the text, U+0001 with the hash takes their place, which no JSON text can contain otherwise.
"""

import base64
import binascii
import re
import struct
from collections.abc import Callable
from hashlib import blake2b
from typing import cast

from evalhaven.domain.jsontext import JsonObject, parse, render
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import ProjectScope

FileLookup = Callable[[bytes], bytes | None]
_Head = tuple[str, int, int, str, str, JsonObject, str, int | None, int | None]
_ATTACHED = re.compile(r"data:[a-zA-Z0-9.+/-]+;base64,((?:[A-Za-z0-9+/]|\\/){256,}={0,2})")
_MARK = "\x01"
_PLACED = re.compile(f"{_MARK}([0-9a-f]{{32}}){_MARK}")
_LENGTHS = struct.Struct("<?II")  # whether files are beside it; bytes of the head and of the request; the reply follows
_PLAIN, _DECODED = b"t", b"b"  # how a file is kept: as it stands in the text, or as the bytes it stands for
_KINDS = (CallKind.CHAT, CallKind.RESPONSE)


def pack(call: LoggedCall) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the stored form of a call, and the files it holds by their hash."""
    files: dict[bytes, bytes] = {}
    request, reply = _without_files(call.request, files), _without_files(call.reply, files)
    head = _encoded(render(_head_of(call)))
    request_bytes = _encoded(request)
    lengths = _LENGTHS.pack(bool(files), len(head), len(request_bytes))
    return b"".join((lengths, head, request_bytes, _encoded(reply))), files


def unpack(scope: ProjectScope, packed: bytes, file_of: FileLookup) -> LoggedCall:
    """Return the call of a stored form.

    Args:
        scope: The call's project.
        packed: The stored form.
        file_of: Returns a file by its hash; where one is lost, nothing is put into the text.
    """
    has_files, head_size, request_size = _LENGTHS.unpack_from(packed)
    request_start = _LENGTHS.size + head_size
    reply_start = request_start + request_size
    head = cast("_Head", parse(packed[_LENGTHS.size : request_start]))
    call_id, kind, created_at, asked_model, model, metadata, origin, first_byte_ms, latency_ms = head
    request, reply = _decoded(packed[request_start:reply_start]), _decoded(packed[reply_start:])
    return LoggedCall(
        scope=scope,
        id=call_id,
        kind=_KINDS[kind],
        created_at=created_at,
        asked_model=asked_model,
        model=model,
        request=_with_files(request, file_of) if has_files else request,
        reply=_with_files(reply, file_of) if has_files else reply,
        metadata=metadata,
        origin=origin,
        first_byte_ms=first_byte_ms,
        latency_ms=latency_ms,
    )


def files_named_by(packed: bytes) -> set[bytes]:
    """Return the hashes of the files that a stored form needs."""
    if not _LENGTHS.unpack_from(packed)[0]:
        return set()
    return {bytes.fromhex(found) for found in _PLACED.findall(_decoded(packed[_LENGTHS.size :]))}


def _head_of(call: LoggedCall) -> "_Head":
    times = (call.first_byte_ms, call.latency_ms)
    models = (call.asked_model, call.model)
    return (call.id, _KINDS.index(call.kind), call.created_at, *models, call.metadata, call.origin, *times)


def _without_files(text: str, files: dict[bytes, bytes]) -> str:
    if ";base64," not in text or _MARK in text:
        return text

    def take(found: re.Match[str]) -> str:
        data = found[1]
        digest = blake2b(data.encode(), digest_size=16).digest()
        files[digest] = _kept(data)
        return f"{text[found.start() : found.start(1)]}{_MARK}{digest.hex()}{_MARK}"

    return _ATTACHED.sub(take, text)


def _kept(data: str) -> bytes:
    written = data.encode()
    try:
        decoded = base64.b64decode(written, validate=True)
    except binascii.Error:
        return _PLAIN + written
    return _DECODED + decoded if base64.b64encode(decoded) == written else _PLAIN + written


def _with_files(text: str, file_of: FileLookup) -> str:
    def put(found: re.Match[str]) -> str:
        kept = file_of(bytes.fromhex(found[1]))
        if kept is None:
            return ""
        return (kept[1:] if kept[:1] == _PLAIN else base64.b64encode(kept[1:])).decode()

    return _PLACED.sub(put, text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(encoded: bytes) -> str:
    return encoded.decode("utf-8", "surrogatepass")
