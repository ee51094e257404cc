"""Read transactions that run in one go: in a thread, on a blocking connection.

The database itself needs some tens of microseconds for a page or an object. Passing each step to another
thread and waiting for it (begin, execute, fetch, close, commit) takes many times as much, so a whole transaction is
passed on at once. The functions that read are the same as elsewhere: they await what `ReadTransaction` offers, and
here that is finished by the time they await it.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, Executable, Row
from sqlalchemy.engine import CursorResult

T = TypeVar("T")


class ReadTransaction(Protocol):
    """What reading functions need from a transaction; every transaction has it."""

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement."""
        ...

    def stream(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /, *, execution_options: Any = None
    ) -> AbstractAsyncContextManager[AsyncIterable[Row[*tuple[Any, ...]]]]:
        """Execute a statement and read its rows a few at a time."""
        ...


class ReadingThreads:
    """Executes read transactions in threads."""

    def __init__(self, engine: Engine, threads: int) -> None:
        """Wrap an engine.

        Args:
            engine: Connections for reading; a transaction on one is read-only and sees a consistent view.
            threads: How many transactions may be under way, or waiting for a connection, at once.
        """
        self._engine = engine
        self._limiter = anyio.CapacityLimiter(threads)

    async def execute(self, work: Callable[[ReadTransaction], Coroutine[Any, Any, T]]) -> T:
        """Return what a piece of work reads; it must await nothing but its transaction."""
        # A canceled task does not wait for a hanging database; the thread returns its connection by itself.
        return await anyio.to_thread.run_sync(self._run, work, abandon_on_cancel=True, limiter=self._limiter)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _run(self, work: Callable[[ReadTransaction], Coroutine[Any, Any, T]]) -> T:
        with self._engine.begin() as connection:
            return _run_through(work(_InThread(connection)))


class _InThread:
    """A transaction in this thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> CursorResult[*tuple[Any, ...]]:
        return self._connection.execute(statement, parameters)

    @asynccontextmanager
    async def stream(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /, *, execution_options: Any = None
    ) -> AsyncGenerator[AsyncIterable[Row[*tuple[Any, ...]]]]:
        with self._connection.execute(statement, parameters, execution_options=execution_options) as rows:
            yield _each(rows)


async def _each(rows: CursorResult[*tuple[Any, ...]]) -> AsyncIterator[Row[*tuple[Any, ...]]]:
    for row in rows:
        yield row


def _run_through(work: Coroutine[Any, Any, T]) -> T:
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    work.close()
    raise RuntimeError("a read waited for something else than its transaction")
