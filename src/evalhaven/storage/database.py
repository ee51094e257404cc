"""The database connection, with short read and write transactions.

A write transaction on SQLite begins IMMEDIATE, so it never fails half-way for lack of the lock, and every commit is
durable (WAL, synchronous=FULL). On PostgreSQL writers run side by side (READ COMMITTED): what a transaction reads in
order to decide what it writes, it locks. The code that opens a transaction commits it: storage functions never do.
"""

import errno
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import anyio
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as ConnectionsBusyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from evalhaven.meters.board import Board, Reading
from evalhaven.meters.declared import CONNECTIONS, CONNECTIONS_MOST, TRANSACTION_SECONDS, TRANSACTIONS_FAILED
from evalhaven.storage.queue.tables import SCHEMA
from evalhaven.storage.reading import ReadingThreads, ReadTransaction, WriteTransaction, WritingThreads
from evalhaven.storage.stopping import connect_sqlite
from evalhaven.storage.turns import WriteTurns, turns_path

if TYPE_CHECKING:
    from evalhaven.storage.punctual import PunctualBlockingConnection

T = TypeVar("T")

_BUSY_TIMEOUT_S = 30
_WRITERS = 6
_POOLED, _CONNECTIONS = 4, 16  # connections kept open, and the most there can be
# A read that finds all connections taken is refused after a while, even if the database hangs; so it needs a thread.
_READING_THREADS = 4 * _CONNECTIONS
_READ_ONLY = "evalhaven_read_only"
_SQLITE_READING = {_READ_ONLY: True}
_POSTGRESQL_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_POSTGRESQL_DRIVER = "postgresql+psycopg"
# A server that disappeared silently, or that left a transaction open, must not block others for long.
_POSTGRESQL_CONNECTION = {
    "application_name": "evalhaven",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
# A worker tries again soon: what it waits for may stand on a connection that answers no more.
_WORKER_CONNECTION = {"connect_timeout": "5"}
# Procrastinate's functions name its tables without their schema.
_POSTGRESQL_PATH = f"SELECT set_config('search_path', current_setting('search_path') || ', {SCHEMA}', false)"
_POSTGRESQL_SESSION = "SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '30s'; " + _POSTGRESQL_PATH
# Of several workers, one that stands still while it holds a run's row must not stop that run for the others.
_WORKER_SESSION = "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '5s'; " + _POSTGRESQL_PATH
# What every request waits for gives up soon.
_COUNTING_SESSION = "SET lock_timeout = '1s'; SET statement_timeout = '2s'"
_COUNTING = 4  # connections
_COUNTS_WITHIN_S = 5.0
# A write to a standby, and a transaction that the server closed: psycopg calls both internal errors.
_POSTGRESQL_UNAVAILABLE = ("25006", "25P03")
_FOR_NOW = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


class Database:
    """An open database."""

    def __init__(
        self,
        engine: AsyncEngine,
        blocking: Engine,
        reading: dict[str, Any],
        writing: Engine | None = None,
        turns: WriteTurns | None = None,
        board: Board | None = None,
        counting: Engine | None = None,
    ) -> None:
        """Wrap engines.

        Args:
            engine: Connections for writing, and for reading between other things.
            blocking: Connections for reading in one go.
            reading: Execution options that make a transaction a read transaction.
            writing: Connections for writing in one go; None: that is done between other things, too.
            turns: Whose turn it is to write; None: whoever gets the lock.
            board: Shows how its transactions go; None: nobody asks.
            counting: Connections whose statements commit one by one; None: nobody shares the database.
        """
        self._board = board
        self._pools = [engine.sync_engine.pool, blocking.pool, *([] if writing is None else [writing.pool])]
        if board is not None:
            board.read_from(self._read_connections)
        self._turns = turns
        self._writing = None if writing is None else WritingThreads(writing)
        self._counting = None if counting is None else ReadingThreads(counting, _COUNTING)
        self._engine = engine
        self._reader = engine.execution_options(**reading)
        self._threads = ReadingThreads(blocking.execution_options(**reading), _READING_THREADS)
        # Writers that wait for each other must not use up the connections that readers need. Where this process gives
        # way to another, those who have already given way must not come all at once.
        self._writers = anyio.Semaphore(1 if turns is not None and turns.gives_way else _WRITERS)

    @property
    def url(self) -> URL:
        """Return where it is, its password included, so that another process can open it."""
        return self._engine.url

    @property
    def is_shared(self) -> bool:
        """Tell whether several servers may use it at once."""
        return self._counting is not None

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """Open a read transaction: one consistent view, never waiting for a writer."""
        with self._measured("read"):
            async with self._reader.begin() as connection:
                yield connection

    async def fetch(self, work: Callable[[ReadTransaction], Coroutine[Any, Any, T]]) -> T:
        """Return what a piece of work reads in a transaction like that of `read`, in a fraction of the time.

        Args:
            work: It must await nothing but its transaction.
        """
        with self._measured("read"):
            return await self._threads.execute(work)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[AsyncConnection]:
        """Open a write transaction; it commits at the end of the block and rolls back on an exception.

        It is shielded from cancellation: a task canceled meanwhile learns of it after the commit. A transaction that is
        dropped would keep its locks until its connection is found dead.
        """
        async with AsyncExitStack() as held:
            held.enter_context(self._measured("write"))
            async with self._line(held):
                connection = await held.enter_async_context(self._engine.connect())
                held.enter_context(anyio.CancelScope(shield=True))
                await held.enter_async_context(connection.begin())
            yield connection

    async def store(self, work: Callable[[WriteTransaction], Coroutine[Any, Any, T]]) -> T:
        """Return what a piece of work returns that writes in a transaction like that of `write`.

        SQLite's lock is held without a pause in between: in `write`, each statement waits for its turn in the event
        loop, and so do all others who want to write.

        Args:
            work: It must await nothing but its transaction.
        """
        if self._writing is None:
            async with self.write() as tx:
                return await work(tx)
        async with AsyncExitStack() as held:
            held.enter_context(self._measured("write"))
            async with self._line(held):
                return await self._writing.execute(work)

    async def count(self, work: Callable[[ReadTransaction], Coroutine[Any, Any, T]]) -> T:
        """Return what a piece of work returns whose statements commit one by one; for a shared database only.

        It waits for nobody longer than seconds, neither for a lock nor for the database to answer. A statement whose
        answer was lost is executed again, so that it may count twice.

        Args:
            work: It must await nothing but its transaction.
        """
        if self._counting is None:
            raise RuntimeError("only servers that share a database count there")
        with self._measured("write"):
            for is_last in (False, True):
                try:
                    with anyio.fail_after(_COUNTS_WITHIN_S):
                        return await self._counting.execute(work)
                except TimeoutError as error:
                    raise ConnectionsBusyError(f"nothing could be counted for {_COUNTS_WITHIN_S} s") from error
                except DBAPIError as error:
                    # A connection to a server that was restarted: a ping before each use would cost as much as the use.
                    if is_last or not error.connection_invalidated:
                        raise
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def _line(self, held: AsyncExitStack) -> AsyncGenerator[None]:
        """Wait in line with this process's other writers and then, if it gives way, for those of others.

        Args:
            held: Keeps the place in line.
        """
        with nullcontext() if self._turns is None else self._turns.ask():
            await held.enter_async_context(self._writers)
            if self._turns is not None:
                await self._turns.wait()
            yield

    @contextmanager
    def _measured(self, kind: Literal["read", "write"]) -> Generator[None]:
        """Show on the board how long a transaction takes, or that it failed for lack of the database."""
        board = self._board
        if board is None:
            yield
            return
        began_at = perf_counter()
        try:
            yield
        except Exception as error:
            if is_unavailable(error):
                board.add(TRANSACTIONS_FAILED, board.process, "busy" if _is_busy(error) else "unavailable")
            raise
        board.observe(TRANSACTION_SECONDS, perf_counter() - began_at, board.process, kind)

    def _read_connections(self) -> Reading:
        process = self._board.process if self._board is not None else ""
        for pool in self._pools:
            if isinstance(pool, QueuePool):
                yield CONNECTIONS, (process,), pool.checkedout()
                yield CONNECTIONS_MOST, (process,), _CONNECTIONS

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()
        self._threads.close()
        if self._counting is not None:
            self._counting.close()
        if self._writing is not None:
            self._writing.close()
        if self._turns is not None:
            self._turns.close()


def open_database(
    url: URL,
    *,
    gives_way: bool | None = None,
    is_worker: bool = False,
    is_reader: bool = False,
    is_patient: bool = False,
    board: Board | None = None,
) -> Database:
    """Open a migrated database.

    Args:
        url: Where it is.
        gives_way: Whether this process lets others write to SQLite first; False: it asks to go first; None: neither.
        is_worker: Whether it is opened by one of several workers that wait for each other.
        is_reader: Whether SQLite refuses to write to it.
        is_patient: Whether what fails for lack of a connection is done again, so that none is tried before it is used.
        board: Shows how its transactions go; None: nobody asks.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    connect_args: dict[str, Any] = {"timeout": _BUSY_TIMEOUT_S} if is_sqlite else _connect_args(url, is_worker)
    options: dict[str, Any] = {
        "hide_parameters": True,  # they hold prompts and items, which an error would carry into the log
        "pool_size": _POOLED,
        "max_overflow": _CONNECTIONS - _POOLED,
        # Connections to a server that was restarted are replaced unnoticed.
        "pool_pre_ping": not (is_sqlite or is_patient),
    }
    if is_worker:
        engine, blocking = _punctual_engines(url, connect_args, options)
    else:
        options["connect_args"] = connect_args
        in_loops = {**options, "connect_args": {**connect_args, "async_creator_fn": connect_sqlite}}
        engine = create_async_engine(url, poolclass=AsyncAdaptedQueuePool, **(in_loops if is_sqlite else options))
        blocking = create_engine(_blocking_url(url), poolclass=QueuePool, **options)
    writing = create_engine(_blocking_url(url), poolclass=QueuePool, **options) if is_sqlite else None
    reading = _SQLITE_READING if is_sqlite else _POSTGRESQL_READING
    for each in (engine.sync_engine, blocking, *([] if writing is None else [writing])):
        if is_sqlite:
            _prepare_sqlite(each)
        else:
            _prepare_postgresql(each, _WORKER_SESSION if is_worker else _POSTGRESQL_SESSION)
    if is_sqlite:
        event.listen(blocking, "connect", _refuse_writes)
        if is_reader:
            event.listen(engine.sync_engine, "connect", _refuse_writes)
    path = url.database if is_sqlite and gives_way is not None else None
    turns = None if path is None or gives_way is None else WriteTurns(turns_path(Path(path)), gives_way=gives_way)
    counting = None if is_sqlite or is_worker else _counting_engine(url)
    return Database(engine, blocking, reading, writing, turns, board, counting)


def _counting_engine(url: URL) -> Engine:
    """Return an engine for statements that each commit by themselves, and that nothing may hold up for long."""
    from evalhaven.storage.punctual import PunctualBlockingConnection  # noqa: PLC0415 - SQLite needs none of it

    engine = create_engine(
        _blocking_url(url),
        poolclass=QueuePool,
        hide_parameters=True,
        pool_size=_COUNTING,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",
        connect_args=_connect_args(url, is_worker=True),
    )
    _connect_punctually(engine, PunctualBlockingConnection)
    _prepare_postgresql(engine, _COUNTING_SESSION)
    return engine


def _punctual_engines(
    url: URL, connect_args: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[AsyncEngine, Engine]:
    """Return engines for which a server that says nothing is gone."""
    from evalhaven.storage.punctual import (  # noqa: PLC0415 - loads slowly, and SQLite needs none of it
        PunctualBlockingConnection,
        PunctualConnection,
    )

    connect = PunctualConnection.connect
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, connect_args={**connect_args, "async_creator_fn": connect}, **options
    )
    blocking = create_engine(_blocking_url(url), poolclass=QueuePool, connect_args=connect_args, **options)

    _connect_punctually(blocking, PunctualBlockingConnection)
    return engine, blocking


def _connect_punctually(engine: Engine, kind: "type[PunctualBlockingConnection]") -> None:
    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, _parts: object, parameters: dict[str, Any]) -> object:  # pyright: ignore[reportUnusedFunction]
        return kind.connect(**parameters)


def sqlite_url(path: Path) -> URL:
    """Return the URL of a SQLite file."""
    return URL.create("sqlite+aiosqlite", database=str(path))


def postgresql_url(text: str) -> URL:
    """Return the URL of a PostgreSQL database, such as `postgresql://user:password@host:5432/name`.

    Raises:
        ValueError: The text is not such a URL.
    """
    example = "write it as postgresql://user:password@host:5432/name"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The cause would repeat the text, including the password.
        raise ValueError(f"is not the address of a database; {example}") from None
    if url.drivername not in ("postgresql", "postgres", _POSTGRESQL_DRIVER):
        raise ValueError(
            f"begins with {url.drivername!r}, and only PostgreSQL is reached by an address; {example}. "
            "Without an address the data directory holds a SQLite database."
        )
    if not url.database:
        raise ValueError(f"names no database; {example}")
    return url.set(drivername=_POSTGRESQL_DRIVER)


def _connect_args(url: URL, is_worker: bool = False) -> dict[str, str]:
    ours = {**_POSTGRESQL_CONNECTION, **(_WORKER_CONNECTION if is_worker else {})}
    return {name: value for name, value in ours.items() if name not in url.query}


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        # Without this the driver begins transactions itself, and too late: after the first read.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _refuse_writes(connection: sqlite3.Connection, _record: object) -> None:
    # PostgreSQL has read-only transactions, SQLite read-only connections.
    connection.execute("PRAGMA query_only=ON")


def _prepare_postgresql(engine: Engine, session: str) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:  # pyright: ignore[reportUnusedFunction]
        cursor = connection.cursor()
        cursor.execute(session)
        cursor.close()
        connection.commit()


def is_unavailable(error: Exception) -> bool:
    """Tell whether an error says that what is stored cannot be used now, but may be later.

    The database is locked or gone, a disk full, or the process has too many files open.
    """
    if isinstance(error, ExceptionGroup):
        return all(is_unavailable(each) for each in cast("ExceptionGroup[Exception]", error).exceptions)
    if isinstance(error, ConnectionsBusyError):
        return True
    if isinstance(error, OSError):
        return error.errno in _FOR_NOW
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _POSTGRESQL_UNAVAILABLE:
        return True
    # SQLite reports a mistake in a statement as an operational error too, and waiting does not mend it.
    mistaken = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(error, OperationalError) and not mistaken


def _is_busy(error: Exception) -> bool:
    """Tell whether the database could not be used because others use it."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return isinstance(error, ConnectionsBusyError) or code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def may_be_committed(error: Exception) -> bool:
    """Tell whether a transaction that ended with an error may have been committed, since the answer was lost."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


@dataclass(frozen=True, slots=True)
class PostgresqlConnection:
    """How others than SQLAlchemy connect to the same database.

    Attributes:
        conninfo: The address, its password included.
        options: More parameters of libpq.
        session: Statements for each new connection.
    """

    conninfo: str
    options: Mapping[str, str]
    session: str


def postgresql_connection(url: URL) -> PostgresqlConnection:
    """Return how a worker connects to a PostgreSQL database, as `open_database` does."""
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return PostgresqlConnection(conninfo, _connect_args(url, is_worker=True), _WORKER_SESSION)


def sync_engine(url: URL) -> Engine:
    """Return a blocking engine, for startup and for commands; `dispose` closes its connections."""
    connect_args = {} if url.get_backend_name() == "sqlite" else _connect_args(url)
    return create_engine(_blocking_url(url), hide_parameters=True, connect_args=connect_args)


def _blocking_url(url: URL) -> URL:
    # psycopg is the driver both for blocking and for asynchronous engines.
    return url.set(drivername="sqlite") if url.get_backend_name() == "sqlite" else url
