"""Messages between an executor and one of its sampling processes, over a pair of sockets."""

import asyncio
import pickle
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from struct import Struct
from typing import Any

_LENGTH = Struct("!I")


class Channel:
    """One end; messages arrive in the order in which they were sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: Any) -> None:
        """Send a message; one that cannot arrive any more is dropped."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(data)))
            self._writer.write(data)

    async def receive(self) -> Any:
        """Return the next message; None: the process at the other end is gone."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            return pickle.loads(await self._reader.readexactly(length))  # noqa: S301 - from our own process
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


@asynccontextmanager
async def open_channel(end: socket.socket) -> AsyncGenerator[Channel]:
    """Open one end of a pair of sockets, which is closed afterwards."""
    reader, writer = await asyncio.open_unix_connection(sock=end)
    try:
        yield Channel(reader, writer)
    finally:
        writer.close()
