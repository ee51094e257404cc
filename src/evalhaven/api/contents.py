"""The content of a stored file as a response."""

import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable
from starlette.types import Receive, Scope, Send

from evalhaven.storage.blobs import BlobReader


class BlobResponse(FileResponse):
    """A blob, or the part of it that a header `Range` asks for; refusals look like all others."""

    def __init__(self, blob: BlobReader, size_bytes: int, modified_at: float, filename: str) -> None:
        """Take over an open blob, which is closed at the end of the response.

        Args:
            blob: The content.
            size_bytes: Its length.
            modified_at: When it was written.
            filename: What a browser calls it.
        """
        status = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, size_bytes, modified_at, modified_at, modified_at))
        super().__init__(
            "",  # there is no path
            # A browser must never show an upload as a page of this server.
            headers={"x-content-type-options": "nosniff"},
            media_type="application/octet-stream",
            filename=filename,
            stat_result=status,
        )
        self._blob = blob

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        # There is no path whose file the server could send itself.
        extensions = {name: value for name, value in scope.get("extensions", {}).items() if name != _BY_PATH}
        try:
            await super().__call__({**scope, "extensions": extensions}, receive, send)
        finally:
            self._blob.close()

    @asynccontextmanager
    async def _open_file(self) -> AsyncGenerator["_AsyncReader"]:  # pyright: ignore[reportIncompatibleMethodOverride]
        yield _AsyncReader(self._blob)

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            # HTTP says to ignore a range that cannot be understood: the whole file is sent.
            return []
        except RangeNotSatisfiable as error:
            message = f"The file has {file_size} bytes, and the header 'Range' asks for none of them."
            raise HTTPException(416, message, {"content-range": f"bytes */{file_size}"}) from error


_BY_PATH = "http.response.pathsend"


class _AsyncReader:
    """Reads a blob outside the event loop."""

    def __init__(self, blob: BlobReader) -> None:
        self._blob = blob

    async def seek(self, offset: int) -> int:
        return await anyio.to_thread.run_sync(self._blob.seek, offset)

    async def read(self, size: int) -> bytes:
        return await anyio.to_thread.run_sync(self._blob.read, size)
