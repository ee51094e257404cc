"""The export of the account's logged calls to models: stored chat completions, and responses that runs name.

Completions can be listed; the messages of each are fetched separately. Responses cannot be listed: those whose ids
appear in runs and output items are fetched. Logs never change, so a later export only fetches new ones. If the key may
not read them, or the address does not serve them, that is reported, and the rest of the export goes on.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import anyio
from anyio.to_thread import run_sync

from evalhaven.importers.archive import UnitKind
from evalhaven.importers.hosted.account import Query
from evalhaven.importers.hosted.client import HostedClient, HostedError, path_of
from evalhaven.importers.hosted.filters import Filters
from evalhaven.importers.hosted.listening import OLDEST_FIRST, Listener
from evalhaven.importers.hosted.parts import PartWriter, id_hash
from evalhaven.importers.hosted.workspace import Workspace
from evalhaven.importers.pages import as_line, object_id, read_head

COMPLETIONS = ("chat", "completions")
_RESPONSE_ID = re.compile(rb'"(resp_[0-9A-Za-z]{8,200})\\?"')
_CURSOR_REFUSED = (400, 404)
_GONE = 404
_NOT_SERVED = (404, 405, 501)
_MAY_NOT = (401, 403, 405)


class LogExporter:
    """Exports the logs of one account into one archive."""

    def __init__(self, client: HostedClient, workspace: Workspace, filters: Filters, listener: Listener) -> None:
        self._client = client
        self._workspace = workspace
        self._filters = filters
        self._listener = listener

    async def run(self) -> None:
        """Export all logs; if only some evals are wanted, just the responses that these name.

        Raises:
            HostedError: The server is gone.
        """
        if not self._filters.eval_ids:
            self._listener.begin("Stored completions", None)
            if await self._export_completions():
                unit = self._workspace.find_unit("stored_completions")
                self._listener.begin("Their messages", unit.objects if unit else 0)
                ids = map(object_id, self._workspace.objects("stored_completions"))
                gone = await self._collect("completion_messages", ids, self._fetch_messages)
                what = "stored completions whose messages are missing there"
                self._note_gone("completion_messages", gone, what, is_lacking=True)
        ids = await run_sync(self._find_response_ids)
        self._listener.begin("Responses", len(ids))
        gone = await self._collect("responses", ids, self._fetch_response)
        what = "responses that runs or items name but that are gone there"
        self._note_gone("responses", gone, what, is_lacking=False)

    async def _export_completions(self) -> bool:
        """Export the list; return whether there is one."""
        kind: UnitKind = "stored_completions"
        with self._workspace.open_part(kind, resume=True) as part:
            self._listener.advance(part.objects)
            try:
                await self._fetch_completions(part)
            except HostedError as error:
                if error.status in _NOT_SERVED and not part.objects:
                    self._workspace.note(kind, None, f"this address does not list them ({error.message})")
                    self._workspace.settle(kind, None)
                    part.discard()
                else:
                    self._fail(kind, None, error)
                return self._workspace.find_unit(kind) is not None
            await run_sync(partial(self._workspace.finish_items, part, None, kind=kind, final=True))
        self._workspace.settle(kind, None)
        return True

    async def _fetch_completions(self, part: PartWriter) -> None:
        if part.is_ended:
            return
        resumed_after = part.last_id
        try:
            await self._append_completions(part)
        except HostedError as error:
            if resumed_after is None or part.last_id != resumed_after or error.status not in _CURSOR_REFUSED:
                raise
            # The last one fetched may be gone by now, and with it the cursor to continue from.
            self._listener.advance(-part.objects)
            part.restart()
            await self._append_completions(part)

    async def _append_completions(self, part: PartWriter) -> None:
        async for body, page in self._client.list_pages(path_of(*COMPLETIONS), OLDEST_FIRST, part.last_id):
            wanted = [raw for raw in page.objects if self._filters.wants_eval(read_head(raw))]
            if len(wanted) == len(page.objects):
                await run_sync(part.append, body, page)
            for raw in wanted if len(wanted) < len(page.objects) else ():
                await run_sync(part.append, raw)
            self._listener.advance(len(wanted))

    async def _collect(self, kind: UnitKind, ids: Iterable[str], fetch: Callable[[str], Awaitable[bytes]]) -> int:
        """Fetch what belongs to each id and is not there yet, several at once; return how many are gone."""
        turn, gone, is_refused = anyio.Lock(), 0, False
        with self._workspace.open_part(kind, resume=True) as part:
            known = await run_sync(lambda: {id_hash(object_id(raw)) for raw in self._workspace.objects(kind)})
            known |= part.listed()
            waiting = iter(ids)

            async def work() -> None:
                nonlocal gone, is_refused
                for each in waiting:
                    if is_refused:
                        return
                    self._listener.advance(1)
                    if id_hash(each) in known:
                        continue
                    try:
                        document = await fetch(each)
                    except HostedError as error:
                        if error.status == _GONE:
                            gone += 1
                        elif error.status in _MAY_NOT:
                            # Then the key may not read any other either.
                            self._fail(kind, None, error)
                            is_refused = True
                        else:
                            self._fail(kind, each, error)
                        continue
                    async with turn:
                        await run_sync(part.append, document)
                    self._workspace.settle(kind, each)

            async with anyio.create_task_group() as tasks:
                for _ in range(self._client.account.concurrency):
                    tasks.start_soon(work)
            await run_sync(self._workspace.finish_collection, part, kind)
        if not is_refused:
            self._workspace.settle(kind, None)
        return gone

    async def _fetch_messages(self, completion_id: str) -> bytes:
        pages = await self._pages(path_of(*COMPLETIONS, completion_id, "messages"), OLDEST_FIRST)
        return b'{"id":%b,"messages":[%b]}' % (json.dumps(completion_id).encode(), pages)

    async def _fetch_response(self, response_id: str) -> bytes:
        path = path_of("responses", response_id)
        response = as_line(await self._client.get_object(path)).strip()
        pages = await self._pages(path + path_of("input_items"), OLDEST_FIRST)
        parts = (json.dumps(response_id).encode(), response, pages)
        return b'{"id":%b,"response":%b,"input_items":[%b]}' % parts

    async def _pages(self, path: str, query: Query) -> bytes:
        """Return the raw bodies of all pages of a list, with commas between."""
        return b",".join([as_line(body).strip() async for body, _ in self._client.list_pages(path, query)])

    def _find_response_ids(self) -> list[str]:
        found: dict[bytes, None] = {}
        for kind in ("runs", "output_items"):
            for raw in self._workspace.all_objects(kind):
                found |= dict.fromkeys(_RESPONSE_ID.findall(raw))
        return [each.decode() for each in found]

    def _note_gone(self, kind: UnitKind, gone: int, what: str, *, is_lacking: bool) -> None:
        if gone:
            self._workspace.note(kind, None, f"{what}: {gone:,}", is_lacking=is_lacking)

    def _fail(self, kind: UnitKind, owner_id: str | None, error: HostedError) -> None:
        if error.is_gone:
            raise error
        self._workspace.fail(kind, owner_id, error.status, error.message)
