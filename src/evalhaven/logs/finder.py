"""Logged calls found by their ids: what is stored, what waits here to be, and what another server is about to store."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.store import LogStore

STORED_WITHIN_S = 1.0
"""Within how long a call that one server has answered is found through every other."""

_FIRST_PAUSE_S = 0.04
_LONGEST_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A logged call, and whether it is not stored yet."""

    call: LoggedCall
    is_pending: bool


class CallFinder:
    """Finds calls whichever server of a database they went through."""

    def __init__(self, sender: LogSender, store: LogStore, are_others_recording: Callable[[], Awaitable[bool]]) -> None:
        """Find what is in either.

        Args:
            sender: Has copies of what went through this server and is not stored.
            store: Has the rest.
            are_others_recording: Tells whether other servers store calls in it, too.
        """
        self._sender = sender
        self._store = store
        self._are_others_recording = are_others_recording

    async def find(
        self, scope: ProjectScope, kinds: Sequence[CallKind], call_id: str, *, within_s: float = 0.0
    ) -> FoundCall | None:
        """Return a call, which may have to be waited for.

        Args:
            scope: Whose call.
            kinds: Which APIs it may have been made with.
            call_id: Its id.
            within_s: How long to wait for it anyway. If other servers store calls, it is at least as long as one of
                theirs may take.
        """
        found = await self._look(scope, kinds, call_id)
        if found is not None:
            return found
        if await self._are_others_recording():
            within_s = max(within_s, STORED_WITHIN_S)
        deadline, pause_s = time.monotonic() + within_s, _FIRST_PAUSE_S
        while found is None and (left_s := deadline - time.monotonic()) > 0:
            await anyio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            found = await self._look(scope, kinds, call_id)
        return found

    async def _look(self, scope: ProjectScope, kinds: Sequence[CallKind], call_id: str) -> FoundCall | None:
        for kind in kinds:
            if (pending := self._sender.pending(scope, kind, call_id)) is not None:
                return FoundCall(pending, is_pending=True)
            if (stored := await self._store.find(scope, kind, call_id)) is not None:
                return FoundCall(stored, is_pending=False)
        return None
