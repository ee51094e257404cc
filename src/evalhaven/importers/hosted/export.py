"""The export: evals, then their runs, then the runs' output items, then the files, then the logs.

Memory holds only the deciding members of what was listed; everything else goes to the disk as it arrives.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync

from evalhaven.domain import jsontext
from evalhaven.domain.wording import counted
from evalhaven.importers.archive import UnitKind, unit_file
from evalhaven.importers.hosted.account import Query
from evalhaven.importers.hosted.client import HostedClient, HostedError, path_of
from evalhaven.importers.hosted.comparison import Comparison
from evalhaven.importers.hosted.filters import Filters
from evalhaven.importers.hosted.listening import OLDEST_FIRST, Listener
from evalhaven.importers.hosted.logs import LogExporter
from evalhaven.importers.hosted.parts import DRAFT, PartWriter
from evalhaven.importers.hosted.workspace import Workspace
from evalhaven.importers.pages import Head, object_id, raw_members, read_head

T = TypeVar("T")

EVAL_FILES: Query = {"purpose": "evals", "order": "asc"}
_CURSOR_REFUSED = (400, 404)


async def check_access(client: HostedClient) -> None:
    """Return if the account's evals can be listed.

    Raises:
        HostedError: The evals cannot be listed.
    """
    async for _ in client.list_pages(path_of("evals"), OLDEST_FIRST):
        return


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run whose output items are to be fetched."""

    eval_id: str
    id: str
    status: str | None
    is_final: bool
    total: int


class Exporter:
    """One export of one account into one archive."""

    def __init__(self, client: HostedClient, workspace: Workspace, filters: Filters, listener: Listener) -> None:
        self._client = client
        self._workspace = workspace
        self._filters = filters
        self._listener = listener
        self._comparison = Comparison(client, workspace)
        self._evals: dict[str, Head] = {}
        self._wanted_evals: set[str] = set()
        self._runs: dict[str, FoundRun] = {}
        self._file_ids: set[str] = set()
        self._found: set[str] = set()

    @property
    def listed_evals(self) -> int:
        """Return how many evals the account listed."""
        return len(self._evals)

    @property
    def has_found(self) -> bool:
        """Tell whether an eval was found that was asked for; what the archive held before does not count."""
        return bool(self._found)

    async def run(self, *, all_files: bool, logs: bool = True) -> None:
        """Export everything that is wanted; failures are recorded, and the rest goes on.

        Args:
            all_files: Whether to export files that no run reads, too.
            logs: Whether to export stored completions and the responses that runs name, too.

        Raises:
            HostedError: The account cannot be read at all.
        """
        self._listener.begin("Evals", None)
        await self._export_evals()
        self._listener.begin("Runs of evals", len(self._evals))
        await self._for_each(self._evals.values(), self._export_runs)
        self._workspace.exclude("evals", None, self._evals.keys() - self._wanted_evals)
        self._listener.begin("Output items", sum(run.total for run in self._runs.values()))
        await self._for_each(self._runs.values(), self._export_items)
        if all_files:
            await self._list_files()
        self._listener.begin("Files", len(self._file_ids))
        await self._for_each(sorted(self._file_ids), self._export_file)
        if logs:
            await LogExporter(self._client, self._workspace, self._filters, self._listener).run()

    async def _for_each(self, objects: Iterable[T], export: Callable[[T], Awaitable[None]]) -> None:
        """Export objects, several at once; the next one is taken only when a worker is free."""
        waiting = iter(objects)

        async def work() -> None:
            for each in waiting:
                await export(each)

        async with anyio.create_task_group() as tasks:
            for _ in range(self._client.account.concurrency):
                tasks.start_soon(work)

    async def _export_evals(self) -> None:
        with self._workspace.open_part("evals") as part:
            try:
                await (self._fetch_named_evals(part) if self._filters.eval_ids else self._fetch_evals(part))
            except HostedError as error:
                # Without evals nothing else can be found; those of an earlier export are continued.
                if part.objects == 0 and self._workspace.find_unit("evals") is None:
                    raise
                self._fail("evals", None, error)
                held = {head.id: head for head in map(read_head, self._workspace.objects("evals"))}
                self._evals = held | self._evals
            await run_sync(self._workspace.finish_list, part, "evals", None)

    async def _fetch_evals(self, part: PartWriter) -> None:
        async for body, page in self._client.list_pages(path_of("evals"), OLDEST_FIRST):
            await run_sync(part.append, body, page)
            self._evals |= {head.id: head for head in map(read_head, page.objects)}
            self._listener.advance(len(page.objects))
            for raw in page.objects[:1]:
                await self._comparison.compare("evals", path_of("evals", object_id(raw)), raw)
        self._workspace.settle("evals", None)

    async def _fetch_named_evals(self, part: PartWriter) -> None:
        for eval_id in dict.fromkeys(self._filters.eval_ids):
            try:
                body = await self._client.get_object(path_of("evals", eval_id))
            except HostedError as error:
                self._fail("evals", eval_id, error)
                continue
            await run_sync(part.append, body)
            self._evals[eval_id] = read_head(body)
            self._workspace.settle("evals", eval_id)
            self._listener.advance(1)

    async def _export_runs(self, parent: Head) -> None:
        unwanted: list[str] = []
        with self._workspace.open_part("runs", parent.id) as part:
            try:
                await self._fetch_runs(part, parent, unwanted)
                self._workspace.settle("runs", parent.id)
            except HostedError as error:
                self._fail("runs", parent.id, error)
                self._wanted_evals.add(parent.id)
                self._found.add(parent.id)
                if part.objects == 0:
                    part.discard()
                    return
            finally:
                self._listener.advance(1)
            is_wanted = part.objects > len(unwanted) or self._filters.wants_eval(parent)
            self._found |= {parent.id} if is_wanted else set()
            if is_wanted or self._workspace.find_unit("runs", parent.id) is not None:
                self._wanted_evals.add(parent.id)
                await run_sync(self._workspace.finish_list, part, "runs", parent.id, unwanted)
            else:
                part.discard()

    async def _fetch_runs(self, part: PartWriter, parent: Head, unwanted: list[str]) -> None:
        async for body, page in self._client.list_pages(path_of("evals", parent.id, "runs"), OLDEST_FIRST):
            await run_sync(part.append, body, page)
            for raw in page.objects:
                head = read_head(raw)
                if not self._expect(parent, head):
                    unwanted.append(head.id)
                elif head.is_final:
                    await self._comparison.compare("runs", path_of("evals", parent.id, "runs", head.id), raw)

    def _expect(self, parent: Head, run: Head) -> bool:
        """Tell whether a run is wanted; if so, add it to the expected total."""
        if not self._filters.wants_run(parent, run):
            return False
        self._file_ids.update(run.file_ids)
        if not self._workspace.has_final("output_items", run.id):
            self._runs[run.id] = FoundRun(parent.id, run.id, run.status, run.is_final, run.total)
        return True

    async def _export_items(self, run: FoundRun) -> None:
        with self._workspace.open_part("output_items", run.id, resume=run.is_final) as part:
            self._listener.advance(part.objects)
            try:
                await self._fetch_items(part, run)
            except HostedError as error:
                self._fail("output_items", run.id, error)
                return
            finish = partial(self._workspace.finish_items, part, run.id, final=run.is_final, total=run.total)
            found = await run_sync(finish)
        self._workspace.settle("output_items", run.id)
        if not run.is_final:
            self._workspace.note("output_items", run.id, f"the run was {run.status} and may go on", is_lacking=True)
        elif found != run.total:
            message = f"the run counts {counted(run.total, 'item')}, {counted(found, 'is', 'are')} there"
            self._workspace.note("output_items", run.id, message, is_lacking=found < run.total)

    async def _fetch_items(self, part: PartWriter, run: FoundRun) -> None:
        if part.is_ended:
            return
        path, resumed_after = path_of("evals", run.eval_id, "runs", run.id, "output_items"), part.last_id
        try:
            await self._append_pages(part, path, run)
        except HostedError as error:
            if resumed_after is None or part.last_id != resumed_after or error.status not in _CURSOR_REFUSED:
                raise
            # The last item fetched may be gone by now, and with it the cursor to continue from.
            self._listener.advance(-part.objects)
            part.restart()
            await self._append_pages(part, path, run)

    async def _append_pages(self, part: PartWriter, path: str, run: FoundRun) -> None:
        async for body, page in self._client.list_pages(path, OLDEST_FIRST, part.last_id):
            await run_sync(part.append, body, page)
            self._listener.advance(len(page.objects))
            for raw in page.objects[: int(run.is_final)]:
                await self._comparison.compare("output_items", path + path_of(object_id(raw)), raw)

    async def _list_files(self) -> None:
        try:
            async for _, page in self._client.list_pages(path_of("files"), EVAL_FILES):
                self._file_ids.update(map(object_id, page.objects))
            self._workspace.settle("file", None)
        except HostedError as error:
            self._fail("file", None, error)

    async def _export_file(self, file_id: str) -> None:
        kind: UnitKind = "file"
        try:
            size_bytes = await self._export_file_object(file_id)
            kind = "file_content"
            if not self._workspace.has_final("file_content", file_id):
                await self._export_content(file_id, size_bytes)
        except HostedError as error:
            self._fail(kind, file_id, error)
        finally:
            self._listener.advance(1)

    async def _export_file_object(self, file_id: str) -> int | None:
        """Export the record of a file; return the file's size by it."""
        path = self._workspace.directory / unit_file("file", file_id)
        if self._workspace.has_final("file", file_id):
            document = path.read_bytes()
        else:
            document = await self._client.get_object(path_of("files", file_id))
            part = path.with_name(path.name + DRAFT)
            part.parent.mkdir(exist_ok=True)
            part.write_bytes(document)
            await run_sync(self._workspace.store_file, "file", file_id, part)
        size_bytes = jsontext.parse(raw_members(document).get("bytes", b"null"))
        return size_bytes if isinstance(size_bytes, int) else None

    async def _export_content(self, file_id: str, size_bytes: int | None) -> None:
        path = self._workspace.directory / unit_file("file_content", file_id)
        part = path.with_name(path.name + DRAFT)
        with part.open("wb") as file:

            def restart() -> None:
                file.seek(0)
                file.truncate()

            await self._client.download(path_of("files", file_id, "content"), restart, file.write, size_bytes)
            found_bytes = file.tell()
        is_whole = size_bytes in (None, found_bytes)
        if not is_whole:
            message = f"{found_bytes} bytes arrived, the file has {size_bytes}"
            self._workspace.note("file_content", file_id, message, is_lacking=True)
        await run_sync(partial(self._workspace.store_file, "file_content", file_id, part, final=is_whole))
        self._workspace.settle("file_content", file_id)

    def _fail(self, kind: UnitKind, owner_id: str | None, error: HostedError) -> None:
        if error.ends_everything:
            # No other request would be answered either.
            raise error
        self._workspace.fail(kind, owner_id, error.status, error.message)
