"""Codings of replies: a reply that is compressed though a plain one was asked for is decoded, or refused by name."""

import struct
import zlib
from collections.abc import Iterator

_PIECE_BYTES = 256 * 1024
_ZLIB_OR_GZIP = zlib.MAX_WBITS | 32  # zlib detects which of the two it is
_RAW = -zlib.MAX_WBITS
_GZIP = b"\x1f\x8b"
_FLUSHED = b"\x00\x00\xff\xff"  # the end of a part that is complete in itself
_UNDONE = frozenset({"gzip", "x-gzip", "deflate"})
# The registered codings. Any other word (utf-8, none, binary, application/json …) is not a coding and changes nothing.
_NOT_UNDONE = frozenset({"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"})
_MOST_CODINGS = 4


class CodingError(Exception):
    """A body cannot be decoded; the message says why, as the end of a sentence about the reply."""


class Decoder:
    """Undoes the codings of a body part by part."""

    def __init__(self, names: list[str]) -> None:
        """Decode nothing yet.

        Args:
            names: Codings that can be undone, in the order in which they were applied.
        """
        self._stages = [_Inflater(name) for name in reversed(names)]

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield what a part becomes, in pieces: a few bytes may become very many.

        Raises:
            CodingError: The body is not in these codings.
        """
        pieces = iter((data,))
        for stage in self._stages:
            pieces = stage.inflate(pieces)
        return pieces

    def finish(self, *, is_delimited: bool) -> None:
        """See whether the body was whole.

        Args:
            is_delimited: Whether the reply said where its body ends, and the body came that far.

        Raises:
            CodingError: The body was cut short.
        """
        for stage in self._stages:
            if not stage.is_whole(is_delimited=is_delimited):
                raise CodingError("that is compressed and cut short")


def find_decoder(encodings: str) -> Decoder | None:
    """Return what undoes the codings that a header names; None if there is nothing to undo.

    Raises:
        CodingError: One of them cannot be undone.
    """
    names = [name for name in (part.strip().lower() for part in encodings.split(",")) if name in _UNDONE | _NOT_UNDONE]
    for name in names:
        if name in _NOT_UNDONE:
            raise CodingError(f"in the coding {name}, though it was asked for a plain one")
    if len(names) > _MOST_CODINGS:
        raise CodingError(f"in {len(names)} codings, though it was asked for a plain one")
    return Decoder(names) if names else None


class _Inflater:
    """Uncompresses gzip, in one member or several, zlib's format and bare deflate."""

    def __init__(self, name: str) -> None:
        self._is_deflate = name == "deflate"
        self._began = b""
        self._last = b""
        self._check = 0
        self._size_bytes = 0
        self._stream = zlib.decompressobj(_ZLIB_OR_GZIP)

    def inflate(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        for data in parts:
            self._last = (self._last + data)[-len(_FLUSHED) :]
            if len(self._began) < len(_GZIP):
                self._began += data
                if len(self._began) < len(_GZIP):
                    continue
                yield from self._inflate(self._choose_format(self._began))
            else:
                yield from self._inflate(data)

    def is_whole(self, *, is_delimited: bool) -> bool:
        if self._stream.eof or not self._began:
            return True
        # Some servers flush and never end what they compress, or leave out the check sum. Where the reply itself says
        # that this is all, nothing is missing.
        return is_delimited and (self._last == _FLUSHED or self._lacks_check_only())

    def _choose_format(self, data: bytes) -> bytes:
        is_zlib = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
        if self._is_deflate and not is_zlib and not data.startswith(_GZIP):
            self._stream = zlib.decompressobj(_RAW)
        self._began = data[: len(_GZIP)]
        return data

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._stream.eof:
                if not data.startswith(_GZIP[:1]):
                    return  # What follows the last member does not matter: a line break, zeros.
                self._stream = zlib.decompressobj(_ZLIB_OR_GZIP)
                self._check = self._size_bytes = 0
            try:
                piece = self._stream.decompress(data, _PIECE_BYTES)
            except zlib.error:
                raise CodingError("that cannot be uncompressed") from None
            self._check = zlib.crc32(piece, self._check)
            self._size_bytes += len(piece)
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece
            if not data and len(piece) < _PIECE_BYTES:
                return

    def _lacks_check_only(self) -> bool:
        trial = self._stream.copy()
        try:
            trial.decompress(struct.pack("<II", self._check, self._size_bytes & 0xFFFFFFFF))
        except zlib.error:
            return False
        return trial.eof
