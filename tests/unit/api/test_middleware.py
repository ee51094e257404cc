"""Facts about what happens to every request: aliases, HEAD, hosts, ids."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import httpx2
import pytest
import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.types import Message

from evalhaven.api.errors import install_error_handlers
from evalhaven.api.middleware import HeadRequests, HostGuard, LoopGuard, PathAliases, RequestRecord
from evalhaven.domain.errors import NotFoundError

HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]", "fd00::1", "evals.example.org"})


def client_of(application: object, **options: bool) -> httpx2.AsyncClient:
    """Return a client of an ASGI application."""
    transport = httpx2.ASGITransport(application, **options)  # pyright: ignore[reportArgumentType]
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765")


def echo() -> FastAPI:
    """Return an application that answers with the path it was asked for."""
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @application.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
    async def show(request: Request) -> PlainTextResponse:  # pyright: ignore[reportUnusedFunction]
        return PlainTextResponse(request.url.path)

    @application.get("/fail")
    async def fail() -> None:  # pyright: ignore[reportUnusedFunction]
        raise ZeroDivisionError

    return application


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("/openai/v1/evals", "/v1/evals"),
        ("/openai/evals?api-version=2025-04-01", "/v1/evals"),
        ("/openai/v1/evals/eval_1/runs/evalrun_1/output_items", "/v1/evals/eval_1/runs/evalrun_1/output_items"),
        ("/openai/files/file-1/content", "/v1/files/file-1/content"),
        ("/openai/v1/models", "/v1/models"),
        ("/openai/v1/responses/resp_1/input_items", "/v1/responses/resp_1/input_items"),
        ("/openai/chat/completions?api-version=2025-04-01", "/v1/chat/completions"),
        ("/openai/deployments/gpt-4.1/chat/completions?api-version=2025-04-01", "/v1/chat/completions"),
        ("/openai/deployments/vendor%2Fmodel/embeddings?api-version=2025-04-01", "/v1/embeddings"),
        ("/openai/deployments/gpt-4.1/evals", "/openai/deployments/gpt-4.1/evals"),
        ("/openai/fine_tuning/alpha/graders/run", "/v1/fine_tuning/alpha/graders/run"),
        ("/v1/evals", "/v1/evals"),
        ("/v1/openai/evals", "/v1/openai/evals"),
        ("/openai/evalsx", "/openai/evalsx"),
        ("/openai/v1", "/openai/v1"),
        ("/openai/v2/evals", "/openai/v2/evals"),
        ("/openai/openai/evals", "/openai/openai/evals"),
        ("/evals", "/evals"),
    ],
)
async def test_aliases_answer_like_v1(asked: str, answered: str) -> None:
    async with client_of(PathAliases(echo())) as client:
        assert (await client.get(asked)).text == answered


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8765",
        "LOCALHOST:1",
        "localhost",
        "[::1]",
        "[::1]:8765",
        "[fd00::1]:1",
        "evals.example.org:443",
    ],
)
async def test_own_names_are_let_in_with_any_port(host: str) -> None:
    async with client_of(HostGuard(echo(), HOSTS)) as client:
        assert (await client.get("/", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8765",
        "localhost:8765:1",
        "localhost:x",
        "localhost:999999",
        "::1",
        "[::2]",
        "[::1",
        "[::1]x",
        "user@localhost",
        "localhost/",
        "localhost ",
        "evil.example, localhost",
    ],
)
async def test_other_names_are_refused(host: str) -> None:
    async with client_of(HostGuard(echo(), HOSTS)) as client:
        answer = await client.get("/", headers={"host": host})

    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "unknown_host"
    assert "EVALHAVEN_PUBLIC_URL" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Host", ["127.0.0.1", "127.0.0.1"]),
        ("Host", ["127.0.0.1", "evil.example"]),
        ("Content-Type", ["application/json", "text/plain"]),
        ("Idempotency-Key", ["one", "two"]),
        ("Authorization", ["Bearer sk-one", "Bearer sk-two"]),
        ("OpenAI-Project", ["proj_one", "proj_two"]),
    ],
)
async def test_a_header_that_may_stand_once_is_refused_when_repeated(name: str, values: list[str]) -> None:
    host = [] if name == "Host" else [("host", "127.0.0.1")]
    async with client_of(HostGuard(echo(), HOSTS)) as client:
        answer = await client.post("/", headers=httpx2.Headers([*host, *((name, value) for value in values)]))
        again = await client.post("/", headers=httpx2.Headers([("host", "127.0.0.1"), ("x", "1"), ("x", "2")]))

    assert (answer.status_code, again.status_code) == (400, 200)
    assert answer.json()["error"]["code"] == "repeated_header"
    assert answer.json()["error"]["param"] == name
    assert name in answer.json()["error"]["message"]


async def test_a_header_repeated_with_the_same_value_is_no_reason_to_refuse() -> None:
    headers = httpx2.Headers([("host", "127.0.0.1"), *[("content-type", "application/json")] * 2])
    async with client_of(HostGuard(echo(), HOSTS)) as client:
        assert (await client.post("/", headers=headers)).status_code == 200


async def test_head_is_answered_like_get_without_a_body(tmp_path: Path) -> None:
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"0123456789")

    @application.get("/text")
    async def text() -> PlainTextResponse:  # pyright: ignore[reportUnusedFunction]
        return PlainTextResponse("text", 203)

    @application.get("/file")
    async def file() -> FileResponse:  # pyright: ignore[reportUnusedFunction]
        return FileResponse(path)

    @application.post("/post")
    async def post() -> None:  # pyright: ignore[reportUnusedFunction]
        raise AssertionError("this was no POST")

    async with client_of(HeadRequests(application)) as client:
        for asked in ("/text", "/file", "/post", "/nowhere"):
            got, head = await client.get(asked), await client.head(asked, headers={"range": "bytes=0-1"})
            assert (head.status_code, head.content) == (got.status_code, b"")
            assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize("path", ["/", "/fail"])
async def test_every_answer_has_an_id_and_a_duration(path: str) -> None:
    async with client_of(RequestRecord(echo(), lambda: "req_1"), raise_app_exceptions=False) as client:
        answer = await client.get(path)

    assert answer.headers["x-request-id"] == "req_1"
    assert int(answer.headers["openai-processing-ms"]) >= 0
    assert answer.headers["openai-version"]


async def test_what_evalhaven_itself_sent_to_a_model_is_refused() -> None:
    async with client_of(LoopGuard(echo())) as client:
        assert (await client.post("/v1/chat/completions")).status_code == 200
        refused = await client.post("/v1/chat/completions", headers={"X-Evalhaven-Hop": "1"})

    assert refused.status_code == 508
    assert refused.json()["error"]["code"] == "loop_detected"
    assert "EVALHAVEN_UPSTREAM_BASE_URL" in refused.json()["error"]["message"]
    assert refused.headers["x-should-retry"] == "false"


async def test_what_is_deleted_while_it_is_sent_is_broken_off_without_a_traceback() -> None:
    async def parts() -> AsyncGenerator[bytes]:
        yield b"part"
        raise NotFoundError("Run", "evalrun_1", "run_id")

    application = FastAPI()
    install_error_handlers(application)
    application.add_api_route("/", lambda: StreamingResponse(parts()))
    sent: list[Message] = []

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(dict(message))

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
    with structlog.testing.capture_logs() as lines:
        await RequestRecord(application, lambda: "req_1")(scope, receive, send)
    assert [line["event"] for line in lines] == ["response_broken_off", "request"]
    assert "exc_info" not in lines[0]
    # Without an end of the body, the server closes the connection.
    assert [each.get("more_body") for each in sent] == [None, True]
