"""One server for all hostile requests: it is the same process to the end, and its log reports no failure."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.databases import TemporaryDatabase
from tests.hostile.attacked import TIMEOUT_S, Attacked
from tests.hostile.management import Management
from tests.hostile.target import Target
from tests.server import Server, show_server_logs
from tests.system.access import client_of, server_with_keys
from tests.system.watch import watch_of
from tests.webhook_receiver import WebhookReceiver

pytest_runtest_makereport = show_server_logs


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave it to the soak to attack what manages access with SQLite, which takes more than PostgreSQL does."""
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    if (parameters.get("attacked"), parameters.get("database_kind")) == ("management", "sqlite"):
        item.add_marker(pytest.mark.soak)


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


@pytest.fixture(scope="session")
def shared_management(
    tmp_path_factory: pytest.TempPathFactory, temporary_database: TemporaryDatabase
) -> Iterator[Management]:
    directory = tmp_path_factory.mktemp("management")
    settings = {"EVALHAVEN_MAX_BODY_MB": "16", "EVALHAVEN_WEBHOOK_ALLOW_PRIVATE": "127.0.0.0/8"}
    with (
        temporary_database() as url,
        server_with_keys(directory, url, **settings) as (server, keys),
        client_of(server, keys.organization, origin=server.url) as client,
        watch_of(server) as watch,
        WebhookReceiver() as receiver,
    ):
        process_id = server.process.pid
        yield Management(server, client, watch, keys, receiver.hook)
        assert server.process.pid == process_id


@pytest.fixture
def management(shared_management: Management) -> Iterator[Management]:
    yield shared_management
    shared_management.assert_well()


@pytest.fixture(params=["target", "management"])
def attacked(database_kind: str, request: pytest.FixtureRequest) -> Attacked:
    """Return each server under attack in turn; of the other one, none is started."""
    del database_kind  # it is what they take, too
    found: Attacked = request.getfixturevalue(request.param)
    return found
