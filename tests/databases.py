"""The two databases that the suite runs on, SQLite and a real PostgreSQL in a temporary directory.

A fixture that takes `database_kind` makes its tests run on both. PostgreSQL is started once a session from the
binaries of this machine; each test, or each server of a test, gets a database of its own.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import URL

from evalhaven.storage.database import postgresql_url, sqlite_url
from evalhaven.storage.schema import upgrade_database
from tests.server import free_port
from tests.sizes import IS_SOAK

KINDS = ("sqlite", "postgresql")
TemporaryDatabase = Callable[[], AbstractContextManager[str | None]]
# For facts about what stands in the data directory, or has nothing to do with the database.
ON_SQLITE_ONLY = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
ON_POSTGRESQL_ONLY = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
PASSWORD = "p4ss-of-the-tests"  # asked for by nobody, so that every place that could show it can be searched for it
_STOP_TIMEOUT_S = 300.0  # writing everything back takes its time on a slow disk
_START_TIMEOUT_S = 60.0
_POLL_S = 0.02
_USERS = ("postgres", "nobody")
_COPIES_BLOCKS_SINCE = 150_000
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory with a random name is made in it
_MEMORY_BYTES = 4 << 30  # for each of the processes that run tests side by side about 0.3 GB, and much that is not used
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "lc_messages=C")


class PostgresServer:
    """A PostgreSQL server of this process's own.

    Args:
        directory: Where its files stand; made anew, and removed at the end by `stop`.
        is_durable: Keep what was committed through a crash of the machine; off, it is faster.
        settings: More settings, `name=value`.
    """

    def __init__(self, directory: Path | None = None, *, is_durable: bool = False, settings: tuple[str, ...] = ()):
        self._binaries = find_binaries()
        # Not below pytest's directories: those are closed to the user that PostgreSQL runs as.
        place = None if is_durable or IS_SOAK else _memory()
        self.directory = directory or Path(tempfile.mkdtemp(prefix="evalhaven-postgresql-", dir=place))
        self._cluster = self.directory / "cluster"
        self.port = free_port()
        self._settings = (*_SETTINGS, *(() if is_durable else _FAST), *settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    @contextlib.contextmanager
    def running(self) -> "Generator[PostgresServer]":
        """Make the cluster and start; at the end stop and remove it."""
        try:
            self._initialize()
            self.start()
            yield self
        finally:
            self.stop(signal.SIGQUIT)
            shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the process and return when it answers."""
        options = [part for setting in (f"port={self.port}", *self._settings) for part in ("-c", setting)]
        with (self.directory / "postgresql.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_as_other_user(), str(self._binaries / "postgres"), "-D", str(self._cluster), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{self.log[-4000:]}") from None
                time.sleep(_POLL_S)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT ends sessions in good order, SIGQUIT without writing anything more."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(_STOP_TIMEOUT_S)

    def kill(self) -> None:
        """Kill the server and its sessions with SIGKILL."""
        if self._process is not None:
            family = psutil.Process(self._process.pid)
            for process in (family, *family.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait(_STOP_TIMEOUT_S)

    @property
    def process(self) -> psutil.Process:
        """The process whose children are the sessions."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def log(self) -> str:
        """Everything the server said."""
        return (self.directory / "postgresql.log").read_text(errors="replace")

    def url(self, database: str) -> str:
        """Return the address of a database of this server."""
        return f"postgresql://evalhaven:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def connected(self, url: str) -> psycopg.Connection:
        """Connect to a database; each statement is a transaction."""
        return psycopg.connect(url, autocommit=True)

    def new_database(self, template: str = "template0") -> str:
        """Make a database, as a copy of another, and return its address."""
        name = f"evals_{next(self._numbers)}"
        with self.connected(self.url("postgres")) as connection:
            # Copying files takes half as long as writing their blocks to the log, as 15 and later do by default.
            how = " STRATEGY file_copy" if connection.info.server_version >= _COPIES_BLOCKS_SINCE else ""
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{how}'.encode())
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database that `new_database` made."""
        with self.connected(self.url("postgres")) as connection:
            connection.execute(f'DROP DATABASE "{url.rpartition("/")[2]}" WITH (FORCE)'.encode())

    @contextlib.contextmanager
    def temporary_database(self, template: str = "template0") -> Generator[str]:
        """Make a database for a block, as a copy of another, and return its address."""
        url = self.new_database(template)
        try:
            yield url
        finally:
            self.drop_database(url)

    def _initialize(self) -> None:
        self._cluster.mkdir()
        user = _other_user()
        if user is not None:
            self.directory.chmod(0o755)  # only the way to the cluster, which is closed
            os.chown(self._cluster, user.pw_uid, user.pw_gid)
        # An order of letters unlike that of bytes, as installations have: ids must not follow it.
        command = [str(self._binaries / "initdb"), "-D", str(self._cluster), "-U", "evalhaven", "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--no-sync"]
        made = subprocess.run([*_as_other_user(), *command], capture_output=True, cwd=self.directory, check=False)
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout.decode()}\n{made.stderr.decode()}")


def find_binaries() -> Path:
    """Return the directory of PostgreSQL's programs, of the newest version there is; skip where there are none."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    places += [] if on_path is None else [Path(on_path).resolve().parent]
    found = next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)
    if found is None:
        pytest.skip("PostgreSQL's programs are not on this machine; on Debian: apt install postgresql")
    return found


def _memory() -> Path | None:
    """Return a directory whose files are in memory, where there is enough of it; None: nowhere.

    To copy a database takes twenty times as long on a disk, and each test has a database of its own.
    """
    if not _MEMORY.is_dir():
        return None
    bytes_left = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    return _MEMORY if bytes_left >= _MEMORY_BYTES else None


def _other_user() -> pwd.struct_passwd | None:
    """Return the user that PostgreSQL runs as where this process is root, whom it refuses."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError(f"root cannot run PostgreSQL, and none of the users {_USERS} exists")


def _as_other_user() -> list[str]:
    user = _other_user()
    return [] if user is None else ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server for the whole session."""
    with PostgresServer().running() as server:
        yield server


@pytest.fixture(scope="session", params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Name the database that a test runs on; each test that takes it runs on all of them."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def temporary_database(database_kind: str, request: pytest.FixtureRequest) -> TemporaryDatabase:
    """Return what makes an empty database for a block: its URL, or None for the SQLite file of a data directory.

    It has the tables of this release, as the file has: to make them takes a server a third of its start.
    """
    if database_kind == "sqlite":
        return contextlib.nullcontext
    # Not parameters: on SQLite nothing of PostgreSQL is needed.
    postgres: PostgresServer = request.getfixturevalue("postgres")
    template: str = request.getfixturevalue("migrated_template")
    return partial(postgres.temporary_database, template)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty SQLite database of this release, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "evalhaven.db"
    upgrade_database(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """Return the name of an empty PostgreSQL database of this release, to be copied."""
    url = postgres.new_database()
    upgrade_database(postgresql_url(url))
    return url.rpartition("/")[2]


@pytest.fixture
def sqlite_database_url(migrated_file: Path, tmp_path: Path) -> URL:
    """Return the URL of this test's own SQLite database."""
    return sqlite_url(Path(shutil.copy(migrated_file, tmp_path / "evalhaven.db")))


@pytest.fixture
def postgresql_database_url(migrated_template: str, postgres: PostgresServer) -> Iterator[URL]:
    """Return the URL of this test's own PostgreSQL database."""
    url = postgres.new_database(template=migrated_template)
    yield postgresql_url(url)
    postgres.drop_database(url)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest) -> URL:
    """Return the URL of this test's own database, of each kind in turn."""
    url: URL = request.getfixturevalue(f"{database_kind}_database_url")
    return url
