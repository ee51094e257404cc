"""The end of a call whose client is gone: what it asked for would cost money and be thrown away."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from starlette.requests import ClientDisconnect
from starlette.types import Receive


class WhileConnected:
    """Cancels what is done within its context when the client hangs up; leaving it then raises ClientDisconnect.

    The request's body must have been received.

    Attributes:
        is_gone: Whether the client hung up.
    """

    __slots__ = ("_is_expected", "_receive", "_task", "_watch", "is_gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_gone = self._is_expected = False
        self._task: asyncio.Task[object] | None
        self._watch: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._watch = asyncio.get_running_loop().create_task(self._wait())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool:
        self._watch.cancel()
        if not self.is_gone or self._task is None:
            return False
        if not isinstance(error, asyncio.CancelledError):
            # It was over, one way or another, before the cancellation arrived, which is still to come.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        self._task.uncancel()
        if self._is_expected:
            return True
        raise ClientDisconnect

    def end(self) -> None:
        """Stop watching, since the answer is complete but for its last message, which looks like a hang-up."""
        self._watch.cancel()

    async def wait_until_gone(self) -> None:
        """Wait for the hang-up that we brought about ourselves; it ends the context, without an error."""
        self._is_expected = True
        await asyncio.get_running_loop().create_future()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        if self._task is not None:
            self._task.cancel()
