"""The server behind nginx and Caddy, set up as `examples/proxy` says: what its users see, and what it sees of them."""

import hashlib
import itertools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.server import SLOW_MODEL, Server
from tests.sizes import SEED, SIZES
from tests.system.client import ACTIVE, PATIENCE_S, Client, wait_until
from tests.system.proxies import CLIENT, EXAMPLES, PREFIX, Proxy, proxy_of_example

_PUBLIC_URL = "https://evals.example.org"
_LIE = "203.0.113.66"
_MANY_ITEMS = 4_000  # so that the run goes on until it is canceled
_PIECE_BYTES = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"EVALHAVEN_PUBLIC_URL": _PUBLIC_URL, "EVALHAVEN_TRUSTED_PROXIES": "127.0.0.1"}
    settings |= {"EVALHAVEN_EXPOSE_WITHOUT_KEYS": "true"}
    directory = tmp_path_factory.mktemp("server")
    with Server(directory, EVALHAVEN_GATEWAY="on", EVALHAVEN_LOG_FORMAT="json", **settings).running() as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxy_of_example(request.param, server, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


@pytest.fixture
def http(proxy: Proxy) -> Iterator[httpx2.Client]:
    with proxy.client() as opened:
        yield opened


def _line_of(server: Server, answer: httpx2.Response) -> dict[str, Any]:
    """Return the log line of a request."""
    request_id = answer.headers["x-request-id"]
    wait_until(lambda: f'"{request_id}"' in server.log, "the request is logged")
    lines = [line for line in server.log.splitlines() if f'"{request_id}"' in line]
    return next(each for each in map(json.loads, lines) if each["event"] == "request")


def test_the_server_is_ready_through_the_proxy(http: httpx2.Client) -> None:
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_plain_http_is_redirected_with_its_path_and_method(proxy: Proxy) -> None:
    answer = httpx2.post(f"{proxy.plain_url}/v1/evals?limit=1", json={}, trust_env=False)

    assert answer.status_code == 308
    assert re.fullmatch(r"https://localhost(:\d+)?/v1/evals\?limit=1", answer.headers["location"])


def test_what_a_client_says_of_itself_is_replaced_by_what_the_proxy_sees(server: Server, http: httpx2.Client) -> None:
    lies = {"X-Forwarded-For": f"{_LIE}, 127.0.0.1", "X-Forwarded-Host": "evil.example.org", "Forwarded": f"for={_LIE}"}
    plain, lying = http.get("/v1/evals"), http.get("/v1/evals", headers=lies)

    assert (plain.status_code, lying.status_code) == (200, 200)
    assert [_line_of(server, each)["client"] for each in (plain, lying)] == [CLIENT, CLIENT]


def test_browsers_are_told_to_stay_with_https(http: httpx2.Client) -> None:
    assert http.get("/ui/").headers["strict-transport-security"] == "max-age=31536000"


def test_a_name_that_is_not_the_servers_is_refused_behind_the_proxy(http: httpx2.Client) -> None:
    answer = http.get("/v1/evals", headers={"Host": "evil.example.org"}, extensions={"sni_hostname": "localhost"})
    # Caddy serves only the names that it knows.
    assert answer.status_code == 421 or (answer.content == b"" and answer.headers.get("server") == "Caddy")


def test_the_official_sdk_makes_a_run_and_streams_an_answer(proxy: Proxy) -> None:
    transport = openai.DefaultHttpxClient(verify=proxy.trust, trust_env=False)
    with openai.OpenAI(
        base_url=f"{proxy.url}/v1", api_key="anything", max_retries=0, timeout=PATIENCE_S, http_client=transport
    ) as sdk:
        made = sdk.evals.create(
            data_source_config={"type": "custom", "item_schema": {"type": "object"}},
            testing_criteria=[
                {"type": "string_check", "name": "g", "operation": "eq", "input": "{{ item.a }}", "reference": "x"}
            ],
        )
        source: Any = {"type": "file_content", "content": [{"item": {"a": "x"}}]}
        run = sdk.evals.runs.create(made.id, data_source={"type": "jsonl", "source": source})
        wait_until(lambda: sdk.evals.runs.retrieve(run.id, eval_id=made.id).status not in ACTIVE, "the run has ended")
        ended = sdk.evals.runs.retrieve(run.id, eval_id=made.id)
        said = sdk.chat.completions.create(
            model="scripted", messages=[{"role": "user", "content": "France? ANSWER: Paris"}], stream=True
        )
        text = "".join(part.choices[0].delta.content or "" for part in said if part.choices)

    assert (ended.status, ended.result_counts.passed) == ("completed", 1)
    assert ended.report_url == f"{_PUBLIC_URL}/ui/evals/{made.id}/runs/{run.id}"
    assert text == "Paris"


@pytest.mark.parametrize("path", ["", PREFIX])
def test_events_of_a_run_arrive_while_it_goes_on(server: Server, proxy: Proxy, path: str) -> None:
    with Client(server.url) as direct, proxy.client(path) as http:
        rows = b"".join(b'{"item":{"n":%d,"answer":"x","expected":"x"}}\n' % n for n in range(_MANY_ITEMS))
        eval_id = direct.create_eval()
        run_id = direct.start_slow_run(eval_id, direct.upload(rows))
        with http.stream("GET", "/api/events", params={"runs": run_id}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            events = (line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: "))
            first = list(itertools.islice(events, 3))
            is_active = direct.get_run(eval_id, run_id)["status"] in ACTIVE
            direct.post(f"/v1/evals/{eval_id}/runs/{run_id}").raise_for_status()
            last = list(events)

    assert "end" not in first
    assert is_active, f"events of {SLOW_MODEL} came while it was asked"
    assert last[-1] == "end"


def test_below_a_path_the_server_is_asked_without_it(server: Server, proxy: Proxy) -> None:
    with proxy.client() as http:
        bare = http.get(PREFIX)
        page = http.get(f"{PREFIX}/ui/")
        listed = http.get(f"{PREFIX}/v1/evals", headers={"X-Forwarded-For": _LIE})

    assert (bare.status_code, page.status_code, listed.status_code) == (308, 200, 200)
    assert bare.headers["location"].endswith(f"{PREFIX}/")
    line = _line_of(server, listed)
    assert (line["path"], line["client"]) == ("/v1/evals", CLIENT)


def test_a_server_reached_directly_believes_nobody_else(tmp_path: Path) -> None:
    """Neither uvicorn, which trusts its own machine by default, nor the name of a proxy elsewhere changes that."""
    settings = {"EVALHAVEN_TRUSTED_PROXIES": "192.0.2.1", "EVALHAVEN_LOG_FORMAT": "json"}
    with (
        Server(tmp_path, EVALHAVEN_EXPOSE_WITHOUT_KEYS="true", **settings).running() as server,
        Client(server.url) as http,
    ):
        claims = {"X-Forwarded-For": _LIE, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example.org"}
        answer = http.get("/v1/evals", headers=claims)

        assert answer.status_code == 200
        assert _line_of(server, answer)["client"] == "127.0.0.1"
        assert '"event": "forwarded_headers_ignored"' in server.log


@pytest.mark.proof
def test_an_upload_goes_on_to_the_server_while_it_arrives(server: Server, proxy: Proxy) -> None:
    piece = random.Random(SEED).randbytes(_PIECE_BYTES)
    pieces = SIZES.proxied_bytes // _PIECE_BYTES
    digest, parts = hashlib.sha256(), server.data_dir / "blobs" / "parts"

    def received() -> int:
        return sum(part.stat().st_size for part in parts.iterdir())

    def content() -> Iterator[bytes]:
        yield b'--border\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        yield b'--border\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
        for number in range(pieces):
            if number == pieces // 2:
                # Had the proxy kept the first half to itself, nothing would come.
                wait_until(lambda: received() > SIZES.proxied_bytes // 4, "the server has a quarter of the file")
            sent = number.to_bytes(8, "big") + piece[8:]
            digest.update(sent)
            yield sent
        yield b"\r\n--border--\r\n"

    with proxy.client() as http:
        form = {"Content-Type": "multipart/form-data; boundary=border"}
        made = http.post("/v1/files", content=content(), headers=form)
        assert made.status_code == 200, made.text
        assert made.json()["bytes"] == pieces * _PIECE_BYTES
        back = hashlib.sha256()
        with http.stream("GET", f"/v1/files/{made.json()['id']}/content") as stream:
            for block in stream.iter_bytes():
                back.update(block)
        assert http.delete(f"/v1/files/{made.json()['id']}").status_code == 200

    assert back.hexdigest() == digest.hexdigest()


def test_every_example_is_executed_here() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {
        "nginx.conf",
        "nginx-prefix.conf",
        "Caddyfile",
        "Caddyfile-prefix",
    }
