"""The feed of events of runs: one look at the database for all who watch, and only while anybody does."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import anyio
import structlog

from evalhaven.api.run_progress import Progress, Watched
from evalhaven.domain.clock import Clock
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.evals import list_criteria
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_progress import list_own_criteria, list_progress

_LOOK_S = 0.5
_PING_S = 15.0
_ASK_AGAIN_S = 0.5
_RECONNECT_MS = 2000

Key = tuple[ProjectScope, str]


class RunFeed:
    """Looks twice a second how all watched runs go on, and hands the news to all who watch them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Look at nothing yet.

        Args:
            database: Where the runs are.
            clock: The time.
        """
        self._database = database
        self._clock = clock
        self._watched: dict[Key, Watched] = {}
        self._watchers: dict[Key, int] = {}
        self._wanted = anyio.Event()
        self._news = anyio.Event()
        self._is_ending: Callable[[], bool] = lambda: False
        self._log = structlog.get_logger("evalhaven.feed")

    def end_when(self, is_ending: Callable[[], bool]) -> None:
        """End all streams once the server is told to stop, which would wait for them otherwise."""
        self._is_ending = is_ending

    async def serve(self) -> None:
        """Look at the watched runs, until canceled."""
        while True:
            await self._wanted.wait()
            while self._watched:
                try:
                    has_news = await self._look()
                except Exception as error:
                    # They see no news for a while; what they know stays.
                    if not is_unavailable(error):
                        self._log.exception("feed_failed")
                    has_news = False
                if has_news or self._is_ending():
                    self._news.set()
                    self._news = anyio.Event()
                await anyio.sleep(_LOOK_S)
            self._wanted = anyio.Event()

    async def open(
        self, scope: ProjectScope, run_ids: Sequence[str], may_go_on: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes]:
        """Return the stream of events of some runs: first what is known of each, then the news.

        Args:
            scope: Whose runs.
            run_ids: The runs.
            may_go_on: Tells whether whoever watches still may; it is asked before anything is told, and every
                half second.

        Raises:
            NotFoundError: One of them is not there.
        """
        keys = [(scope, run_id) for run_id in dict.fromkeys(run_ids)]
        begun = await self._begin(scope, [key for key in keys if key not in self._watched])
        return self._events({key: self._watched.get(key) or begun[key] for key in keys}, may_go_on)

    async def _events(
        self, begun: Mapping[Key, Watched], may_go_on: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[bytes]:
        yield f"retry: {_RECONNECT_MS}\n\n".encode()
        with self._watching(begun) as watched:
            told: dict[Key, Progress] = {}
            told_at = time.monotonic()
            while await may_go_on():
                news = self._news
                text = _news_of(watched, told)
                if not text and time.monotonic() - told_at >= _PING_S:
                    text = ": ping\n\n"
                if text:
                    yield text.encode()
                    told_at = time.monotonic()
                if all(each.is_final for each in told.values()) or self._is_ending():
                    return
                with anyio.move_on_after(_ASK_AGAIN_S):
                    await news.wait()

    @contextmanager
    def _watching(self, begun: Mapping[Key, Watched]) -> Generator[Mapping[Key, Watched]]:
        watched = {key: self._watched.setdefault(key, each) for key, each in begun.items()}
        for key in watched:
            self._watchers[key] = self._watchers.get(key, 0) + 1
        self._wanted.set()
        try:
            yield watched
        finally:
            for key in watched:
                self._watchers[key] -= 1
                if not self._watchers[key]:
                    del self._watchers[key], self._watched[key]

    async def _begin(self, scope: ProjectScope, keys: Sequence[Key]) -> dict[Key, Watched]:
        """Return runs that nobody watches yet, with what is known of them.

        Raises:
            NotFoundError: One of them is not there.
        """
        if not keys:
            return {}
        run_ids = [run_id for _, run_id in keys]

        async def read(tx: ReadTransaction) -> dict[Key, Watched]:
            rows = await list_progress(tx, scope, [each for each in run_ids if is_id_text(each)])
            for run_id in run_ids:
                if run_id not in rows:
                    raise NotFoundError("Run", run_id, "runs")
            of_evals = await list_criteria(tx, scope, {row.eval_key for row in rows.values()})
            own = await list_own_criteria(tx, scope, [row.key for row in rows.values()])
            found: dict[Key, Watched] = {}
            for run_id, row in rows.items():
                criteria = Criteria(own[row.key]) if row.key in own else of_evals[row.eval_key]
                found[scope, run_id] = Watched(criteria)
                found[scope, run_id].read(row, self._clock.now(), time.monotonic())
            return found

        return await self._database.fetch(read)

    async def _look(self) -> bool:
        """Read how all watched runs go on; return whether there is any news."""
        has_news = False
        for scope in {scope for scope, _ in self._watched}:
            run_ids = [run_id for each, run_id in self._watched if each == scope]
            rows = await self._database.fetch(partial(list_progress, scope=scope, run_ids=run_ids))
            for run_id in run_ids:
                watched = self._watched.get((scope, run_id))
                if watched is not None and watched.read(rows.get(run_id), self._clock.now(), time.monotonic()):
                    has_news = True
        return has_news


def _news_of(watched: Mapping[Key, Watched], told: dict[Key, Progress]) -> str:
    """Return the events that a stream has not told yet, and note them as told.

    Args:
        watched: The runs of the stream.
        told: What it told last of each.
    """
    events: list[str] = []
    for key, each in watched.items():
        progress, before = each.progress, told.get(key)
        if progress is None or progress is before:
            continue
        told[key] = progress
        names = ["progress"]
        if before is not None and before.status != progress.status:
            names = ["status"]
        if progress.is_final:
            names.append("end")
        # Of the whole stream, so that it only grows for each of them.
        revision = sum(known.revision for known in told.values())
        events += [f"event: {name}\nid: {revision}\ndata: {progress.text}\n\n" for name in names]
    return "".join(events)
