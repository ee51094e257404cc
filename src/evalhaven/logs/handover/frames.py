"""What the server and the storing process say to each other: records one way, acknowledgements the other."""

import struct
from collections.abc import Iterator

import msgspec

from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.exchanges import Exchange

_LENGTH = struct.Struct("<Q")
_ACK = struct.Struct("<QII")


class Record(msgspec.Struct, array_like=True, frozen=True):
    """An exchange on its way; `number` is unique among those of its sender."""

    sender: str
    number: int
    project_id: int
    kind: CallKind
    started_at: float
    is_streamed: bool
    first_byte_ms: int
    latency_ms: int
    request: bytes
    reply: bytes

    @property
    def origin(self) -> str:
        """Return what makes the call unique in its project."""
        return origin_of(self.sender, self.number)

    @property
    def size_bytes(self) -> int:
        """Return how large its bodies are."""
        return len(self.request) + len(self.reply)

    def exchange(self) -> Exchange:
        """Return the exchange."""
        return Exchange(
            scope=ProjectScope(self.project_id),
            kind=self.kind,
            started_at=self.started_at,
            request=self.request,
            reply=self.reply,
            is_streamed=self.is_streamed,
            first_byte_ms=self.first_byte_ms,
            latency_ms=self.latency_ms,
        )


class Acknowledgement(msgspec.Struct, frozen=True):
    """Tells that all records up to a number are done with.

    Attributes:
        number: The last of them.
        unreadable: How many since the last acknowledgement are not calls, and were not stored.
        failed: How many since then the store refused.
    """

    number: int
    unreadable: int
    failed: int


def origin_of(sender: str, number: int) -> str:
    """Return what makes a call of this sender unique in its project."""
    return f"{sender}-{number}"


def encode_record(sender: str, number: int, exchange: Exchange) -> bytearray:
    """Return the frame of an exchange."""
    record = Record(
        sender,
        number,
        exchange.scope.project_id,
        exchange.kind,
        exchange.started_at,
        exchange.is_streamed,
        exchange.first_byte_ms,
        exchange.latency_ms,
        exchange.request,
        exchange.reply,
    )
    frame = bytearray(_LENGTH.size)
    msgspec.msgpack.Encoder().encode_into(record, frame, _LENGTH.size)
    _LENGTH.pack_into(frame, 0, len(frame) - _LENGTH.size)
    return frame


def encode_acknowledgement(acknowledged: Acknowledgement) -> bytes:
    """Return the frame of an acknowledgement."""
    return _ACK.pack(acknowledged.number, acknowledged.unreadable, acknowledged.failed)


class RecordReader:
    """Puts records together again."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._decoder = msgspec.msgpack.Decoder(Record)

    def feed(self, data: bytes) -> Iterator[Record]:
        """Yield the records that are whole with these bytes."""
        self._unread += data
        start = 0
        while len(self._unread) >= start + _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._unread, start)
            end = start + _LENGTH.size + length
            if len(self._unread) < end:
                break
            with memoryview(self._unread) as unread, unread[start + _LENGTH.size : end] as body:
                record = self._decoder.decode(body)
            yield record
            start = end
        if start:
            del self._unread[:start]


class AcknowledgementReader:
    """Puts acknowledgements together again."""

    def __init__(self) -> None:
        self._unread = b""

    def feed(self, data: bytes) -> Iterator[Acknowledgement]:
        """Yield the acknowledgements that are whole with these bytes."""
        self._unread += data
        whole = len(self._unread) // _ACK.size * _ACK.size
        whole_bytes, self._unread = self._unread[:whole], self._unread[whole:]
        for number, unreadable, failed in _ACK.iter_unpack(whole_bytes):
            yield Acknowledgement(number, unreadable, failed)
