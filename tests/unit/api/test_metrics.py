"""Facts about `/metrics`: who may read it, and what it says of requests."""

from collections.abc import Mapping
from dataclasses import replace

import anyio
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from structlog.testing import capture_logs

from evalhaven.access.permissions import OF_ROLES, Role
from evalhaven.api.access.making import make_admin_key, make_key
from evalhaven.api.services import Services
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope
from evalhaven.storage.access.keys import insert_key
from evalhaven.storage.database import Database
from tests.databases import ON_SQLITE_ONLY
from tests.unit.api.conftest import calling
from tests.unit.domain.still_clock import StillClock

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def metrics(
    client: httpx2.AsyncClient, token: str | None = None
) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the samples, by name and labels."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def named(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return by what a sample is known."""
    return name, frozenset(labels.items())


@ON_SQLITE_ONLY
async def test_requests_are_counted_by_the_pattern_of_their_path(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/evals/eval_1", "/v1/evals/eval_2", "/openai/v1/evals/eval_3"):
        assert (await client.get(path)).status_code == 404
    await client.head("/v1/evals/eval_1")
    await client.get("/nobody/knows")
    await client.request("BREW", "/v1/evals")
    await client.post("/v1/chat/completions", content=b"{")
    samples = await metrics(client)

    route = "/v1/evals/{eval_id}"
    assert samples[named("evalhaven_requests_total", method="GET", route=route, status="404")] == 3
    assert samples[named("evalhaven_requests_total", method="HEAD", route=route, status="404")] == 1
    assert samples[named("evalhaven_request_seconds_count", route=route)] == 4
    assert samples[named("evalhaven_requests_total", method="GET", route="unknown", status="404")] == 1
    assert samples[named("evalhaven_requests_total", method="POST", route="/v1/chat/completions", status="400")] == 1
    assert {value for _, labels in samples for name, value in labels if name == "method"} == {
        *("GET", "HEAD", "POST", "OTHER")
    }
    assert samples[named("evalhaven_requests_under_way")] == 1
    assert not [each for each in samples if "eval_1" in str(each)]


@ON_SQLITE_ONLY
async def test_a_token_is_needed_once_there_is_one(services: Services) -> None:
    guarded = replace(services, config=replace(services.config, metrics_token=SecretStr("scrape-me")))
    async with calling(guarded) as client:
        for headers in ({}, {"authorization": "Bearer scrape-m"}, {"authorization": "Basic scrape-me"}):
            refused = await client.get("/metrics", headers=headers)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert "EVALHAVEN_METRICS_TOKEN" in refused.json()["error"]["message"]
            assert "evalhaven_" not in refused.text
        assert (await client.get("/metrics", headers={"authorization": "bearer scrape-me"})).status_code == 200


@ON_SQLITE_ONLY
async def test_with_keys_the_token_still_opens_metrics_and_nothing_else(services: Services, database: Database) -> None:
    ids = IdFactory(StillClock())
    (admin, secret), (editor, other) = make_admin_key(ids, "a", 100), make_key(ids, "e", OF_ROLES[Role.EDITOR], 100)
    async with database.write() as tx:
        await insert_key(tx, OrganizationScope(), admin)
        await insert_key(tx, DEFAULT_PROJECT, editor)
    guarded = replace(services, config=replace(services.config, metrics_token=SecretStr("scrape-me")))
    async with calling(guarded) as client:
        with capture_logs() as lines:
            await client.get("/openai/v1/evals", headers={"authorization": f"Bearer {other}"})
        (line,) = (each for each in lines if each["event"] == "request")
        assert (line["caller"], other in str(lines)) == (editor.id, False)
        statuses = {
            sent: (await client.get(path, headers={"authorization": f"Bearer {sent}"})).status_code
            for sent, path in (("scrape-me", "/metrics"), (secret, "/metrics"), (other, "/metrics"))
        }
        assert statuses == {"scrape-me": 200, secret: 200, other: 403}
        assert (await client.get("/metrics")).json()["error"]["code"] == "invalid_api_key"
        assert (await client.get("/v1/evals", headers={"authorization": "Bearer scrape-me"})).status_code == 401


@ON_SQLITE_ONLY
async def test_openmetrics_is_spoken_to_whoever_asks(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


async def test_the_database_and_what_waits_in_it_are_shown(services: Services, client: httpx2.AsyncClient) -> None:
    samples: Samples = {}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(services.work_meters.serve)
        with anyio.fail_after(60):
            # A scrape does not wait for a slow database, and shows what was read before.
            while (samples := await metrics(client)).get(named("evalhaven_database_up")) != 1:  # noqa: ASYNC110 - it asks
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()

    assert samples[named("evalhaven_database_bytes")] > 4096
    assert samples[named("evalhaven_runs_active", status="queued")] == 0
    assert samples[named("evalhaven_oldest_wait_seconds")] == 0


@ON_SQLITE_ONLY
async def test_a_database_that_hangs_holds_no_scraper_up(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_database: Database, _work: object) -> None:
        await anyio.sleep_forever()

    scraped = replace(services, config=replace(services.config, metrics_token=SecretStr("scrape-me")))
    monkeypatch.setattr(Database, "fetch", hang)
    samples: Samples = {}
    async with calling(scraped) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(services.work_meters.serve)
        with anyio.fail_after(30):
            samples = await metrics(client, token="scrape-me")
        tasks.cancel_scope.cancel()

    assert samples[named("evalhaven_database_up")] == 0
