"""The composition root: the one place where the parts are put together."""

import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import structlog
import uvicorn
from alembic.util import CommandError
from fastapi import FastAPI
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from evalhaven.api.application import build_application
from evalhaven.api.connections import ConnectionLimits, guarded_protocol
from evalhaven.api.services import ApiConfig, Services
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.similarity.wordnet import find_wordnet
from evalhaven.graders.workers import WorkerPool
from evalhaven.runs.conductor import CHUNKS_AT_ONCE
from evalhaven.runs.engine import Engine
from evalhaven.runs.executor import Executor
from evalhaven.runs.patience import Patience
from evalhaven.runs.purge import Purger, sweep_blobs
from evalhaven.runs.supervisor import ExecutorSupervisor, die_with_parent, follow_parent
from evalhaven.sampling.embeddings import EmbeddingsEndpoint, open_embedder
from evalhaven.settings import LOOPBACK_HOSTS, Settings
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import (
    Database,
    UnusableDatabaseError,
    is_unavailable,
    open_database,
    postgresql_url,
    schema_revisions,
    sqlite_url,
    upgrade_database,
)
from evalhaven.storage.lock import DataDirectoryInUseError, DataDirectoryLock, lock_data_directory
from evalhaven.storage.pairing import PairingError, pair_blob_store

_KEEP_ALIVE_S = 75
_GRACEFUL_SHUTDOWN_S = 3
_MB = 1024 * 1024
_CLIENT_TIMEOUT_S = 120.0
_DATABASE_WAIT_S = 30.0
_DATABASE_POLL_S = 0.5
IN_PROCESS_URL = "http://localhost"


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


class InUseError(StartError):
    """Another server holds the data directory; `url` is where it is reached, if it said so."""

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url


class UnsafeAddressError(StartError):
    """The server would listen beyond this machine without keys; the message says how to allow it."""


def database_path(data_dir: Path) -> Path:
    """Return where the SQLite database of a data directory stands."""
    return data_dir / "evalhaven.db"


def blob_store(data_dir: Path) -> BlobStore:
    """Return the blob store of a data directory."""
    return BlobStore(data_dir / "blobs")


def refuse_unsafe_address(settings: Settings) -> None:
    """Let pass what only this machine reaches, and what the operator took responsibility for.

    Raises:
        UnsafeAddressError: Otherwise.
    """
    if not settings.is_loopback and not settings.expose_without_keys:
        raise UnsafeAddressError(
            f"Refusing to listen on {settings.host}: this release has no API keys, so everybody who reaches that "
            "address could read, change and delete all evals, runs and files. Listen on 127.0.0.1 behind a proxy "
            "that authenticates, or accept the risk with --expose-without-keys."
        )


def serve(settings: Settings) -> None:
    """Run the server until it is told to stop: the API in this process, runs in the executor child.

    Raises:
        StartError: It cannot start.
    """
    # uvicorn ends in good order and then raises the signal anew: being told to stop is no failure.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    refuse_unsafe_address(settings)
    listener = listen(settings)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    lock = hold_data_directory(settings.data_dir)
    url = upgraded_database(settings)
    lock.announce(settings.local_url)
    supervisor = ExecutorSupervisor(executor_command(settings), lock.descriptor)
    application = build_server_application(settings, open_database(url), supervisor)
    limits = ConnectionLimits(header_timeout_s=settings.header_timeout_s, body_grace_s=settings.body_grace_s)
    config = uvicorn.Config(
        application,
        http=guarded_protocol(limits),
        ws="none",
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
    )
    structlog.get_logger("evalhaven").info("listening", url=settings.base_url, data_dir=str(settings.data_dir))
    uvicorn.Server(config).run(sockets=[listener])


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket; with port 0 the system chooses the port.

    Raises:
        StartError: The address is taken or not this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise StartError(f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}.") from error
    return listener


def hold_data_directory(data_dir: Path, wait_s: float = 5.0) -> DataDirectoryLock:
    """Make the data directory where there is none, and lock it.

    Raises:
        StartError: It cannot be used, or another server uses it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return lock_data_directory(data_dir, wait_s)
    except DataDirectoryInUseError as error:
        raise InUseError(str(error), error.url) from error
    except OSError as error:
        raise StartError(f"The data directory {str(data_dir)!r} cannot be used: {error.strerror}.") from error


def database_url(settings: Settings) -> URL:
    """Return where the database is: the PostgreSQL that is named, else the SQLite file of the data directory.

    Raises:
        StartError: What is named is no PostgreSQL database.
    """
    if settings.database_url is None:
        return sqlite_url(database_path(settings.data_dir))
    try:
        return postgresql_url(settings.database_url.get_secret_value())
    except ValueError as error:
        raise StartError(f"EVALHAVEN_DATABASE_URL {error}") from error


def upgraded_database(settings: Settings) -> URL:
    """Bring the database that belongs to a locked data directory to this release and return its URL.

    Raises:
        StartError: It is damaged, of a newer release, cannot be written, or is not the one of these files.
    """
    url = database_url(settings)
    blobs = blob_store(settings.data_dir)
    is_sqlite = settings.database_url is None
    if is_sqlite and not database_path(settings.data_dir).exists() and next(blobs.names(at_once=1), None):
        # To an empty database every file would be one that nothing names, and be swept.
        raise StartError(
            f"{settings.data_dir} holds files but no database. Restore evalhaven.db, or move blobs/ away; if a "
            "PostgreSQL database has their records, name it in EVALHAVEN_DATABASE_URL."
        )
    shown = str(database_path(settings.data_dir)) if is_sqlite else url.render_as_string(hide_password=True)
    try:
        if is_sqlite:
            upgrade_database(url)
        else:
            _wait_for_database(url)
            upgrade_database(url)
            pair_blob_store(url, blobs)
    except PairingError as error:
        raise StartError(str(error)) from error
    except CommandError as error:
        raise StartError(f"The database {shown} was made by a newer release of Evalhaven: {error}.") from error
    except (DBAPIError, UnusableDatabaseError) as error:
        reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().rstrip(".")
        cure = " Restore a backup?" if is_sqlite else ""
        raise StartError(f"The database {shown} cannot be opened: {reason}.{cure}") from error
    return url


def _wait_for_database(url: URL) -> None:
    """Return when a PostgreSQL server answers: services that start together do not start in order.

    Raises:
        DBAPIError: It still does not, or it refuses.
    """
    deadline = time.monotonic() + _DATABASE_WAIT_S
    has_told = False
    while True:
        try:
            schema_revisions(url)
        except DBAPIError as error:
            if not is_unavailable(error) or time.monotonic() > deadline:
                raise
            if not has_told:
                structlog.get_logger("evalhaven").warning("waiting_for_database", reason=str(error.orig).strip())
                has_told = True
            time.sleep(_DATABASE_POLL_S)
        else:
            return


def build_server_application(settings: Settings, database: Database, supervisor: ExecutorSupervisor) -> FastAPI:
    """Return the API over an open database; it keeps the executor alive for as long as it is served."""
    services = build_services(settings, database, supervisor.wake, lambda: supervisor.is_running)

    @asynccontextmanager
    async def lifespan(_application: FastAPI) -> AsyncGenerator[None]:
        await sweep_blobs(database, services.blobs)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supervisor.supervise)
            yield
            tasks.cancel_scope.cancel()
        await database.close()

    return build_application(services, lifespan)


def build_services(
    settings: Settings, database: Database, wake_executor: Callable[[], None], is_executor_running: Callable[[], bool]
) -> Services:
    """Return what the routes work with."""
    clock = Clock()
    return Services(
        database=database,
        blobs=blob_store(settings.data_dir),
        ids=IdFactory(clock),
        clock=clock,
        wake_executor=wake_executor,
        is_executor_running=is_executor_running,
        config=ApiConfig(
            base_url=settings.base_url,
            list_order=settings.list_order,
            allowed_hosts=allowed_hosts(settings),
            max_body_bytes=settings.max_body_mb * _MB,
            max_file_bytes=settings.max_file_mb * _MB,
        ),
    )


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
    """Open a client for commands: to the server that is named or that holds the data directory, else in process.

    Raises:
        StartError: There is neither a server nor a usable data directory.
    """
    url = settings.url
    lock: DataDirectoryLock | None = None
    if url is None:
        try:
            lock = hold_data_directory(settings.data_dir, wait_s=0)
        except InUseError as error:
            if error.url is None:
                raise
            url = error.url
    headers = {} if settings.api_key is None else {"authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    if lock is None:
        # SDKs want the address with /v1, and it is easily copied from there.
        base_url = (url or "").rstrip("/").removesuffix("/v1")
        # The environment's proxies cannot reach this machine's loopback address.
        is_local = urlsplit(base_url).hostname in LOOPBACK_HOSTS
        async with httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=_CLIENT_TIMEOUT_S, trust_env=not is_local
        ) as client:
            yield client
        return
    database = open_database(upgraded_database(settings))
    services = build_services(settings, database, lambda: None, lambda: False)
    transport = httpx.ASGITransport(build_application(services, _no_lifespan))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=IN_PROCESS_URL) as client:
            yield client
    finally:
        await database.close()
        lock.release()


@asynccontextmanager
async def _no_lifespan(_application: FastAPI) -> AsyncGenerator[None]:
    yield


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the names under which this server may be addressed: loopback, the listener's and the public URL's."""
    names = {*LOOPBACK_HOSTS, "[::1]"}
    if settings.public_url is not None:
        names.add(urlsplit(settings.public_url).hostname or "")
    if settings.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not listened on
        names.update((settings.host, f"[{settings.host}]"))
    return frozenset(name.lower() for name in names)


def executor_command(settings: Settings) -> list[str]:
    """Return how to start the executor of this server."""
    return [
        sys.executable,
        "-m",
        "evalhaven",
        "executor",
        "--data-dir",
        str(settings.data_dir),
        "--parent",
        str(os.getpid()),
    ]


def execute_runs(settings: Settings, parent_pid: int) -> None:
    """Be the executor: conduct runs until the parent is gone."""
    die_with_parent(parent_pid)
    anyio.run(_execute_runs, settings, backend_options={"use_uvloop": sys.platform != "win32"})


async def _execute_runs(settings: Settings) -> None:
    database = open_database(database_url(settings))
    blobs = blob_store(settings.data_dir)
    clock = Clock()
    patience = Patience()
    slots = anyio.CapacityLimiter(CHUNKS_AT_ONCE)
    async with WorkerPool() as workers, open_embedder(embeddings_endpoint(settings)) as embedder:
        facilities = Facilities(workers, embedder, installed_wordnet())
        engine = Engine(database, blobs, IdFactory(clock), clock, patience, slots, anyio.Lock(), facilities)
        purger = Purger(database, blobs, clock, patience)
        executor = Executor(engine, purger)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(executor.execute_forever)
            await follow_parent(executor.wake)
            tasks.cancel_scope.cancel()
    await database.close()


def embeddings_endpoint(settings: Settings) -> EmbeddingsEndpoint | None:
    """Return the embeddings endpoint that is configured, if one is."""
    if settings.embeddings_base_url is None:
        return None
    key = settings.embeddings_api_key
    return EmbeddingsEndpoint(
        settings.embeddings_base_url, settings.embeddings_model, None if key is None else key.get_secret_value()
    )


def installed_wordnet() -> Path | None:
    """Return where WordNet is installed, if it is."""
    return find_wordnet(os.environ.get("NLTK_DATA"))
