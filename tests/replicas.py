"""Evalhaven on several machines for tests: two API replicas behind a front, four workers, PostgreSQL, shared files.

replicas = Replicas(tmp_path, database_url)
with replicas.running():
httpx2.get(f"{replicas.url}/v1/evals")    # of the one
httpx2.get(f"{replicas.url}/v1/evals")    # of the other
"""

import contextlib
from collections.abc import Generator
from pathlib import Path

from tests.alternating_front import AlternatingFront
from tests.server import Server, headers_with, variables_for
from tests.system.access import Keys, store_keys
from tests.worker import Worker

_REPLICAS, _WORKERS = 2, 4


class Replicas:
    """Has the face of a `Server`, but what stands in one process or directory stands in several.

    Attributes:
        url: That of the front.
        port: The same.
        servers: The replicas.
        workers: They execute all runs.
        database_url: The PostgreSQL database that all of them use.
        shared_dir: Has the files, which all of them use, too.
        key: The API key that clients send; None without keys.
    """

    def __init__(self, directory: Path, database_url: str, **environment: str) -> None:
        """Choose ports and directories.

        Args:
            directory: An existing directory for all of them; each replica has one below.
            database_url: A PostgreSQL database.
            replicas: How many servers.
            workers: How many workers.
            environment: Variables beyond those of the tests' own process, for all of them.
        """
        self.database_url = database_url
        self.key: str | None = None
        self.shared_dir = directory / "shared"
        homes = [directory / f"replica-{number}" for number in range(_REPLICAS)]
        for home in homes:
            home.mkdir()
        environment["EVALHAVEN_SHARED_DIR"] = str(self.shared_dir)
        # The front's address is known only once the ports are, and it goes to all of them before they start.
        self.servers = [Server(home, database_url, "--no-worker", **environment) for home in homes]
        self._front = AlternatingFront([server.port for server in self.servers])
        self.url, self.port = self._front.url, self._front.port
        for server in self.servers:
            server.set_default(EVALHAVEN_PUBLIC_URL=self.url)
        self.workers = [Worker(self.servers[0], directory / f"worker-{number}.log") for number in range(_WORKERS)]

    def take_keys(self) -> Keys:
        """Have keys before the first start: from then on every request needs one. Return them."""
        keys = store_keys(self.servers[0].data_dir, self.database_url)
        self.key = keys.admin
        return keys

    @property
    def headers(self) -> dict[str, str]:
        """What its clients send with each request."""
        return headers_with(self.key)

    @property
    def of_commands(self) -> dict[str, str]:
        """The variables by which commands find it."""
        return variables_for(self.url, self.key)

    @property
    def log(self) -> str:
        """Everything that any of them logged."""
        return "".join(each.log for each in (*self.servers, *self.workers))

    @property
    def data_dirs(self) -> list[Path]:
        """Every directory in which one of them keeps anything."""
        return [self.shared_dir, *(server.data_dir for server in self.servers)]

    @contextlib.contextmanager
    def running(self) -> "Generator[Replicas]":
        """Start all of them at once, and stop them at the end whatever happened between."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._front.running())
            for server in self.servers:
                stack.callback(server.stop)
            self.start()
            for worker in self.workers:
                stack.enter_context(worker.running())
            yield self

    def start(self) -> None:
        """Start the replicas and return when all of them serve requests; workers take part as soon as they can."""
        for server in self.servers:
            server.start(wait_until_ready=False)
        for server in self.servers:
            server.wait_until_ready()

    def stop(self) -> None:
        """Stop the replicas; the workers go on."""
        for server in self.servers:
            server.stop()
