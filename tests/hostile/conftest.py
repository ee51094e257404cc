"""One server for all hostile requests: it is the same process to the end, and its log reports no failure."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.databases import TemporaryDatabase
from tests.hostile.target import TIMEOUT_S, Target
from tests.server import Server, show_server_logs

pytest_runtest_makereport = show_server_logs


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, temporary_database: TemporaryDatabase) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("hostile")
    with temporary_database() as url:
        server = Server(directory, url, EVALHAVEN_GATEWAY="on", EVALHAVEN_MAX_BODY_MB="16")
        with server.running():
            yield server


@pytest.fixture(scope="session")
def shared_client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=TIMEOUT_S, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def shared_target(server: Server, shared_client: httpx2.Client) -> Iterator[Target]:
    process_id = server.process.pid
    yield Target(server, shared_client)
    assert server.process.pid == process_id


@pytest.fixture
def target(shared_target: Target) -> Iterator[Target]:
    yield shared_target
    shared_target.assert_well()
