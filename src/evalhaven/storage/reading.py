"""Transactions that run in one go: in a thread, on a blocking connection.

The database itself needs some tens of microseconds for a page or an object. Passing each step to another
thread and waiting for it (begin, execute, fetch, close, commit) takes many times as much, so a whole transaction is
passed on at once. The functions that read and write are the same as elsewhere: they await what a transaction offers,
and here that is finished by the time they await it.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Dialect, Engine, Executable, Row
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


class WriteTransaction(ReadTransaction, Protocol):
    """What functions that store items need from a transaction; every one that writes has it."""

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        ...

    async def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        /,
        *,
        execution_options: Any = None,
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement, once or for several sets of values."""
        ...

    async def exec_driver_sql(
        self, statement: str, parameters: tuple[Any, ...] | None = None, /
    ) -> CursorResult[*tuple[Any, ...]]:
        """Execute the text of a statement."""
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
        self._pool = engine.pool
        self._limiter = anyio.CapacityLimiter(threads)
        self._is_closed = False

    async def execute(self, work: Callable[[ReadTransaction], Coroutine[Any, Any, T]]) -> T:
        """Return what a piece of work reads; it must await nothing but its transaction."""
        # A canceled task does not wait for a hanging database; the thread returns its connection by itself.
        return await anyio.to_thread.run_sync(self._run, work, abandon_on_cancel=True, limiter=self._limiter)

    def close(self) -> None:
        """Close all connections, those of threads that nobody waits for any more as soon as they are returned."""
        self._is_closed = True
        self._pool.dispose()

    def _run(self, work: Callable[[ReadTransaction], Coroutine[Any, Any, T]]) -> T:
        try:
            with self._engine.begin() as connection:
                return _run_through(work(_InThread(connection)))
        finally:
            if self._is_closed:
                self._pool.dispose()


class WritingThreads:
    """Executes write transactions in threads."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine.

        Args:
            engine: Connections for writing.
        """
        self._engine = engine

    async def execute(self, work: Callable[[WriteTransaction], Coroutine[Any, Any, T]]) -> T:
        """Commit what a piece of work writes, and return its result; a task canceled meanwhile learns of it then."""
        return await anyio.to_thread.run_sync(self._run, work)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _run(self, work: Callable[[WriteTransaction], Coroutine[Any, Any, T]]) -> T:
        with self._engine.begin() as connection:
            return _run_through(work(_InThread(connection)))


class _InThread:
    """A transaction in this thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        /,
        *,
        execution_options: Any = None,
    ) -> CursorResult[*tuple[Any, ...]]:
        return self._connection.execute(statement, parameters, execution_options=execution_options)

    async def exec_driver_sql(
        self, statement: str, parameters: tuple[Any, ...] | None = None, /
    ) -> CursorResult[*tuple[Any, ...]]:
        return self._connection.exec_driver_sql(statement, parameters)

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
    raise RuntimeError("a piece of work waited for something else than its transaction")
