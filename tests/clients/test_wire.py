"""What the official clients put on the wire that differs: bodies, queries, paths and headers, byte for byte."""

import http.client
import json

import httpx2
import pytest

from tests.clients.scenario import EVAL, ROWS
from tests.clients.wire import HEADERS, Wire, chunked
from tests.server import Server

BODY = json.dumps(EVAL, ensure_ascii=False).encode()


@pytest.fixture
def eval_id(server: Server) -> str:
    return httpx2.post(f"{server.url}/v1/evals", json=EVAL).json()["id"]


CREATIONS: dict[str, tuple[list[str], bytes]] = {
    "go, a line end after the document": (
        [*HEADERS["go"], "Content-Type: application/json", f"Content-Length: {len(BODY) + 1}"],
        BODY + b"\n",
    ),
    "java": ([*HEADERS["java"], "Content-Type: application/json", f"Content-Length: {len(BODY)}"], BODY),
    "dotnet": ([*HEADERS["dotnet"], "Content-Type: application/json", f"Content-Length: {len(BODY)}"], BODY),
    "dotnet, with a charset": (
        [*HEADERS["dotnet"], "Content-Type: application/json; charset=utf-8", f"Content-Length: {len(BODY)}"],
        BODY,
    ),
    "chunked, as a body of unknown length is": (
        [*HEADERS["java"], "Content-Type: application/json", "Transfer-Encoding: chunked"],
        chunked(BODY, 7),
    ),
    "azure": ([*HEADERS["azure"], "Content-Type: application/json", f"Content-Length: {len(BODY)}"], BODY),
    "curl, which names another type": (
        ["Accept: */*", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(BODY)}"],
        BODY,
    ),
}


@pytest.mark.parametrize("form", CREATIONS)
def test_an_eval_is_created_by_every_form_of_the_request(server: Server, form: str) -> None:
    headers, body = CREATIONS[form]
    with Wire(server) as wire:
        status, made = wire.ask("POST /v1/evals", *headers, body=body)
        assert (status, made["name"], made["metadata"]) == (201, EVAL["name"], EVAL["metadata"])
        # The connection goes on with the next request exactly where this one ended.
        status, again = wire.ask(f"GET /v1/evals/{made['id']}", *headers[:2])
        assert (status, again) == (200, made)


def test_a_body_that_waits_to_be_asked_for_is_asked_for(server: Server) -> None:
    """.NET Framework sends `Expect: 100-continue` with every body, curl with large ones."""
    with Wire(server) as wire:
        headers = [*HEADERS["dotnet"], "Content-Type: application/json", f"Content-Length: {len(BODY)}"]
        wire.send(wire.head("POST /v1/evals", *headers, "Expect: 100-continue"))
        interim = wire.connection.recv(1000)
        assert interim.startswith(b"HTTP/1.1 100 ")
        wire.send(BODY)
        assert wire.receive()[0] == 201


CANCELS: dict[str, tuple[list[str], bytes]] = {
    "go, java and dotnet, an empty body": (["Content-Length: 0"], b""),
    "ruby, no body at all": ([], b""),
    "an empty body of a type": (["Content-Type: application/json", "Content-Length: 0"], b""),
    "an empty object": (["Content-Type: application/json", "Content-Length: 2"], b"{}"),
    "an empty chunked body": (["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
}


@pytest.mark.parametrize("form", CANCELS)
def test_a_run_is_canceled_by_every_form_of_the_request(server: Server, eval_id: str, form: str) -> None:
    source = {"type": "jsonl", "source": {"type": "file_content", "content": ROWS}}
    run = httpx2.post(f"{server.url}/v1/evals/{eval_id}/runs", json={"data_source": source}).json()
    headers, body = CANCELS[form]
    with Wire(server) as wire:
        status, canceled = wire.ask(f"POST /v1/evals/{eval_id}/runs/{run['id']}", *headers, body=body)
        assert (status, canceled["id"]) == (200, run["id"])
        assert canceled["status"] in {"canceled", "completed"}
        assert wire.ask(f"GET /v1/evals/{eval_id}/runs/{run['id']}")[1] == canceled


@pytest.mark.parametrize(
    "query", ["after=&limit=2", "limit=2&order=asc&order_by=created_at", "order%5Fby=updated%5Fat"]
)
def test_queries_are_understood_as_clients_write_them(server: Server, eval_id: str, query: str) -> None:
    with Wire(server) as wire:
        status, page = wire.ask(f"GET /v1/evals?{query}", *HEADERS["java"])
        assert (status, page["object"]) == (200, "list")
        assert page["data"]


def test_paths_are_understood_as_clients_write_them(server: Server, eval_id: str) -> None:
    absolute, encoded = f"{server.url}/v1/evals/{eval_id}", eval_id.replace("_", "%5F")
    for target in (absolute, f"/v1/evals/{encoded}", f"/openai/evals/{encoded}?api-version=2025-04-01-preview"):
        with Wire(server) as wire:
            status, found = wire.ask(f"GET {target}", *HEADERS["ruby"])
            assert (status, found["id"]) == (200, eval_id)


def test_an_empty_idempotency_key_counts_as_none(server: Server, eval_id: str) -> None:
    ids: set[str] = set()
    for name in ("one", "two"):
        source = {"type": "jsonl", "source": {"type": "file_content", "content": ROWS}}
        body = json.dumps({"name": name, "data_source": source}).encode()
        with Wire(server) as wire:
            status, run = wire.ask(
                f"POST /v1/evals/{eval_id}/runs", "Idempotency-Key:", f"Content-Length: {len(body)}", body=body
            )
        assert (status, run["name"]) == (201, name)
        ids.add(run["id"])
    assert len(ids) == 2


def test_an_answer_is_read_by_clients_that_offer_compression(server: Server, eval_id: str) -> None:
    for offer in ("gzip", "gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "gzip, deflate, br, zstd"):
        with Wire(server) as wire:
            wire.send(wire.head(f"GET /v1/evals/{eval_id}", f"Accept-Encoding: {offer}"))
            answer = http.client.HTTPResponse(wire.connection)
            answer.begin()
            assert answer.getheader("content-encoding") is None
            assert json.loads(answer.read())["id"] == eval_id
