"""Facts about `/api/logs/retention` and what follows from it for what is shown and taken in."""

from typing import Any

import httpx2
import pytest

from evalhaven.api.services import Services
from evalhaven.domain.scopes import DEFAULT_PROJECT
from tests.databases import ON_SQLITE_ONLY
from tests.unit.api.conftest import calling
from tests.unit.api.test_call_intake import DAY_S, JSON, NOW, chat, send
from tests.unit.logs.test_spans import BASICS, body_of
from tests.unit.storage.stored import OTHER_PROJECT, add_project

# These calls stand in day files, whichever the database is.
pytestmark = ON_SQLITE_ONLY

PATH = "/api/logs/retention"
OF_SERVER = {"object": "project.retention", "project": "proj_default", "days": None, "kept_days": 30, "most_days": 30}


async def test_a_project_without_days_of_its_own_has_those_of_the_server(client: httpx2.AsyncClient) -> None:
    assert (await client.get(PATH)).json() == {**OF_SERVER, "max_gb": None}
    set_to = (await client.post(PATH, json={"days": 30})).json()
    assert (set_to["days"], set_to["kept_days"]) == (30, 30)
    assert (await client.post(PATH, json={"days": None})).json() == {**OF_SERVER, "max_gb": None}


async def test_days_of_a_project_change_when_its_calls_are_dropped_and_nobody_else_s(services: Services) -> None:
    await add_project(services.database)
    async with calling(services) as one, calling(services, OTHER_PROJECT) as other:
        for client in (one, other):
            await send(client, chat(1), chat(2, created_at=NOW - 2 * DAY_S))
        await send(other, chat(3, created_at=NOW - 3 * DAY_S))
        assert (await one.post(PATH, json={"days": 7, "weeks": 1})).json()["kept_days"] == 7
        status, others = (await one.get("/api/logs")).json(), (await other.get("/api/logs")).json()

    assert (status["retention"], others["retention"]) == ({"days": 7, "max_gb": None}, {"days": 30, "max_gb": None})
    shown = [[(each["calls"], each["dropped_on"]) for each in seen["stored"]["days"]] for seen in (status, others)]
    # Of a day without own calls it is said when all of it goes.
    assert shown[0] == [(1, "2025-05-09"), (1, "2025-05-07"), (0, "2025-05-29")]
    assert shown[1] == [(1, "2025-06-01"), (1, "2025-05-30"), (1, "2025-05-29")]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(
            {"days": 31},
            "this server keeps calls for 30 days at most, so a project cannot keep its own for 31. Pass 30 or less, "
            "null for as long as the server keeps any, or have whoever operates the server raise EVALHAVEN_LOG_DAYS.",
            id="more than the server's",
        ),
        ({"days": 0}, "'days' must be at least 1"),
        ({"days": 1.5}, "'days'"),
        ({"days": "7"}, "'days'"),
        ({}, "'days'"),
        ({"days": 10**9}, "'days' must be at most 36500"),
    ],
)
async def test_days_that_cannot_be_are_refused_with_the_cure(
    client: httpx2.AsyncClient, body: dict[str, Any], says: str
) -> None:
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] == "days"
    assert says in error["message"]
    assert (await client.get(PATH)).json()["days"] is None


async def test_calls_older_than_a_project_keeps_its_own_are_refused_with_what_would_keep_them(
    services: Services, client: httpx2.AsyncClient
) -> None:
    await client.post(PATH, json={"days": 7})
    lines = [chat(age, created_at=NOW - age * DAY_S) for age in (7, 8, 12)]
    outcome = await send(client, *lines)
    assert (outcome["stored"], outcome["too_old"]) == (1, 2)
    assert (outcome["days_needed"], outcome["project_days_needed"]) == (None, 12)
    assert outcome["refusals"][0]["reason"] == (
        "it is older than the 7 days for which calls are kept in this project: have an administrator of the project "
        "keep its calls for as many days (`evalhaven logs retention --days 8`), and send it again"
    )
    beyond = await send(client, chat(40, created_at=NOW - 40 * DAY_S))
    assert (beyond["days_needed"], beyond["project_days_needed"]) == (40, 40)
    assert (
        ": raise EVALHAVEN_LOG_DAYS to 40 or more, restart the server, have an adm" in beyond["refusals"][0]["reason"]
    )
    spans = body_of(BASICS, startTimeUnixNano=str((NOW - 9 * DAY_S) * 10**9))
    answer = await client.post("/v1/traces", json=spans, headers=JSON)
    assert answer.json()["partialSuccess"]["rejectedSpans"] in (1, "1")
    await client.post(PATH, json={"days": None})
    assert (await send(client, *lines))["stored"] == 2
    assert await services.log_store.count_by_day(DEFAULT_PROJECT)
