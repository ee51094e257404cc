"""Facts about pages of other origins: which may write, what their browsers are told, and that reads change nothing."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.api.origins import OriginGuard
from evalhaven.api.services import Services
from evalhaven.app.server import allowed_origins
from evalhaven.cli.shell import read_settings
from evalhaven.storage.database import Database
from tests.docs.compatibility_page import own_document
from tests.unit.api.conftest import calling
from tests.unit.api.test_middleware import client_of, echo

OWN = "http://127.0.0.1:8765"
NAMED = "http://localhost:3000"
READS = ("GET", "HEAD", "OPTIONS")


def guarded() -> httpx2.AsyncClient:
    """Return a client of a guarded application that answers everything."""
    return client_of(OriginGuard(echo(), frozenset({OWN, NAMED})))


@pytest.mark.parametrize("origin", [OWN, NAMED, "HTTP://LocalHost:3000"])
async def test_own_pages_and_named_ones_may_write_and_read_what_is_answered(origin: str) -> None:
    async with guarded() as client:
        for method in ("POST", "DELETE", *READS):
            answer = await client.request(method, "/", headers={"origin": origin, "sec-fetch-site": "cross-site"})
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == origin
            assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3001",
        "http://localhost",
        "https://localhost:3000",
        "http://localhost:30000",
        "http://localhost:3000/",
        "http://localhost:3000.evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "http://evil.example",
        "http://[::1",
        "file://",
        "null",
        "",
    ],
)
async def test_pages_of_another_origin_may_not_write_whatever_the_body_is_called(origin: str) -> None:
    async with guarded() as client:
        for method in ("POST", "DELETE", "PUT"):
            for content_type in ("application/json", "text/plain", "multipart/form-data; boundary=x"):
                headers = {"origin": origin, "content-type": content_type}
                answer = await client.request(method, "/", headers=headers, content=b"{}")
                error = answer.json()["error"]
                assert (answer.status_code, error["code"], error["param"]) == (403, "foreign_origin", "Origin")
                assert "EVALHAVEN_ALLOWED_ORIGINS" in error["message"]
        for method in READS:
            answer = await client.request(method, "/", headers={"origin": origin})
            assert answer.status_code == 200
            assert "access-control-allow-origin" not in answer.headers


async def test_two_origins_are_not_one_that_is_allowed() -> None:
    async with guarded() as client:
        answer = await client.post("/", headers=httpx2.Headers([("origin", OWN), ("origin", OWN)]))

    assert answer.status_code == 403


async def test_what_the_browser_says_counts_where_it_names_no_origin() -> None:
    async with guarded() as client:
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            assert (await client.post("/", headers={"sec-fetch-site": site})).status_code == status
            # A link on another page leads here all the same.
            assert (await client.get("/", headers={"sec-fetch-site": site})).status_code == 200


async def test_programs_name_no_origin_and_may_write() -> None:
    async with guarded() as client:
        answer = await client.post("/", content=b"{}", headers={"content-type": "text/plain"})

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_browsers_that_ask_first_are_told_what_a_named_page_may_do() -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,x-stainless-os"}
    async with guarded() as client:
        allowed = await client.options("/v1/evals", headers={"origin": NAMED, **asked})
        refused = await client.options("/v1/evals", headers={"origin": "http://localhost:3001", **asked})

    assert (allowed.status_code, allowed.content, refused.status_code) == (204, b"", 403)
    assert allowed.headers["access-control-allow-origin"] == NAMED
    assert {"GET", "POST", "DELETE"} <= {*allowed.headers["access-control-allow-methods"].split(", ")}
    assert allowed.headers["access-control-allow-headers"] == asked["access-control-request-headers"]
    assert "EVALHAVEN_ALLOWED_ORIGINS" in refused.json()["error"]["message"]


def test_the_servers_own_origins_are_its_addresses_its_public_url_and_what_is_named() -> None:
    own = {"http://127.0.0.1:8765", "http://localhost:8765", "http://[::1]:8765"}
    assert allowed_origins(read_settings()) == own
    assert allowed_origins(read_settings(host="10.0.0.7")) == {*own, "http://10.0.0.7:8765"}
    assert "http://localhost" in allowed_origins(read_settings(port=80))
    public = read_settings(public_url="https://Evals.example.org:443/sub", allowed_origins="http://localhost:3000")
    assert allowed_origins(public) == {*own, "https://evals.example.org", "http://localhost:3000"}


def test_named_origins_are_read_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHAVEN_ALLOWED_ORIGINS", " http://localhost:3000/, HTTPS://Dash.example:443,app://evals ,")
    named = read_settings().allowed_origins
    monkeypatch.setenv("EVALHAVEN_ALLOWED_ORIGINS", " ")

    assert named == ("http://localhost:3000", "https://dash.example", "app://evals")
    assert read_settings().allowed_origins is None


@pytest.mark.parametrize("value", ["*", "null", "localhost:3000", "http://*.example", "http://a b", "http://u@host"])
def test_what_is_no_origin_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv("EVALHAVEN_ALLOWED_ORIGINS", f"http://localhost:3000,{value}")
    with pytest.raises(SystemExit):
        read_settings()

    told = capsys.readouterr().err
    assert "EVALHAVEN_ALLOWED_ORIGINS" in told
    assert f"must be origins such as http://localhost:3000, separated by commas, not {value!r}" in told


async def test_no_read_changes_anything(services: Services) -> None:
    """Pages of other origins may cause reads, so a route that reads must have no effect."""

    @asynccontextmanager
    async def write() -> AsyncGenerator[AsyncConnection]:
        raise AssertionError("a read has written")
        yield

    database = SimpleNamespace(read=services.database.read, fetch=services.database.fetch, write=write)
    paths = [path for path, operations in own_document()["paths"].items() if "get" in operations]
    pages = ["/", "/healthz", "/readyz", "/ui/", "/ui/evals/eval_1", "/ui/evals/eval_1/runs/evalrun_1"]
    async with calling(replace(services, database=cast("Database", database))) as client:
        for path in (*paths, *pages):
            assert (await client.get(path.replace("{", "").replace("}", ""))).status_code in (200, 307, 404), path
    assert len(paths) > 10
