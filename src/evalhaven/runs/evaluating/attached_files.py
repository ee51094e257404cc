"""Uploaded files that messages name by id, loaded when a message first needs them."""

from collections import OrderedDict

import anyio
import anyio.to_thread

from evalhaven.domain.errors import DamagedFileError, NotFoundError
from evalhaven.domain.files import StoredFile
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.runs.engine import Engine
from evalhaven.sampling.messages.attachments import MAX_INLINE_BYTES
from evalhaven.sampling.messages.making import RequestError
from evalhaven.storage.files import get_file

_KEPT_BYTES = 64 * 1024 * 1024


_File = tuple[str, bytes]


class FileNotLoadedError(Exception):
    """A file is needed that has not been looked up yet; load it and ask again."""

    def __init__(self, file_id: str) -> None:
        super().__init__(file_id)
        self.file_id = file_id


class AttachedFiles:
    """The files that the messages of one run name; the most recently used are kept."""

    def __init__(self, engine: Engine, scope: ProjectScope) -> None:
        self._engine = engine
        self._scope = scope
        self._found: OrderedDict[str, _File | None] = OrderedDict()
        self._kept_bytes = 0
        self._reading = anyio.Lock()

    def find(self, file_id: str) -> _File | None:
        """Return name and content of a file, or None where no such file was uploaded here.

        Raises:
            FileNotLoadedError: It was not looked for yet.
        """
        if file_id not in self._found:
            raise FileNotLoadedError(file_id)
        self._found.move_to_end(file_id)
        return self._found[file_id]

    async def load(self, file_id: str) -> _File | None:
        """Return name and content of a file, read now and kept for a while, or None if there is no such file.

        Raises:
            DamagedFileError: The file's length has changed since it was accepted.
            RequestError: The file is too large to be put into a request.
        """
        # One at a time: many items may need the same file, which is read once.
        async with self._reading:
            if file_id in self._found:
                return self.find(file_id)
            found = self._found[file_id] = await self._read(file_id)
        self._kept_bytes += 0 if found is None else len(found[1])
        while self._kept_bytes > _KEPT_BYTES and len(self._found) > 1:
            _, oldest = self._found.popitem(last=False)
            self._kept_bytes -= 0 if oldest is None else len(oldest[1])
        return found

    async def _read(self, file_id: str) -> _File | None:
        now = int(self._engine.clock.now())

        async def get_record() -> StoredFile:
            async with self._engine.database.read() as tx:
                return await get_file(tx, self._scope, file_id, now)

        try:
            file = await self._engine.patience.persist(get_record)
            if file.size_bytes > MAX_INLINE_BYTES:
                message = f"The file {file_id!r} is larger than {MAX_INLINE_BYTES // 1024 // 1024} MB."
                raise RequestError(ItemError("file_too_large", message, "template"))
            try:
                return file.filename, await anyio.to_thread.run_sync(self._content, file)
            except DamagedFileError:
                # Unless it was deleted just now.
                await self._engine.patience.persist(get_record)
                raise
        except NotFoundError:
            return None

    def _content(self, file: StoredFile) -> bytes:
        with self._engine.blobs.open_whole(self._scope, file.id, file.size_bytes) as opened:
            return opened.read()


class FilesOfRequest:
    """The files of one request, held until it is made, however many others are needed meanwhile."""

    def __init__(self, files: AttachedFiles) -> None:
        self._files = files
        self._held: dict[str, _File | None] = {}

    def find(self, file_id: str) -> _File | None:
        """Return name and content of a file, or None where no such file was uploaded here.

        Raises:
            FileNotLoadedError: It was not looked for yet.
        """
        return self._held[file_id] if file_id in self._held else self._files.find(file_id)

    async def load(self, file_id: str) -> None:
        """Look up a file and read it, so that `find` knows it."""
        self._held[file_id] = await self._files.load(file_id)
