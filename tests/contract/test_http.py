"""What all answers have in common: headers, aliases, the error envelope; the page of a run."""

import gzip
import json
import socket
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import (
    ON_ONE_DATABASE,
    WITHOUT_KEYS,
    MakeEval,
    RunToEnd,
    eval_body,
    inline_source,
    items_of,
    refusal_of,
)
from tests.server import Server


def test_every_answer_has_an_id_and_a_time(http: httpx2.Client, make_eval: MakeEval) -> None:
    answers = [
        http.get("/v1/evals"),
        http.get("/v1/models"),
        http.get("/v1/evals/eval_x"),
        http.get("/nowhere"),
        http.post("/v1/evals", content=b"{"),
        http.put("/v1/evals"),
        http.delete(f"/v1/evals/{make_eval()['id']}"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404, 400, 405, 200]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)
    assert all(answer.headers["x-request-id"].startswith("req_") for answer in answers)
    assert all(answer.headers["openai-processing-ms"].isdecimal() for answer in answers)
    assert all(answer.headers["content-type"] == "application/json" for answer in answers)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v2/evals", "/evals", "/openai/evals/x/y/z", "/v1/evals/", "/%00"]
)
def test_an_unknown_url_is_not_found(http: httpx2.Client, path: str) -> None:
    error = refusal_of(http.post(path, content=b"{}"), 404 if path not in {"/"} else 405)
    assert error["code"] in {"unknown_url", "method_not_allowed", "not_found"}


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v1/v1/evals", "/v1/v1 is doubled: the base address (`api_base`, `base_url`) ends in /v1, and the program"),
        ("/v1/v1/evals/eval_x/runs", "/v1/v1 is doubled"),
        ("/v1/v1/chat/completions", "Leave /v1 out of the address"),
        ("/openai/v1/v1/evals", "ends in /openai/v1, and the program adds /v1 by itself"),
        ("/openai/openai/evals", "/openai/openai is doubled"),
        ("/v1/openai/evals", "Leave /v1 out of the address"),
        ("/openai/v1/openai/v1/files", "/openai/v1/openai/v1 is doubled"),
        ("/evals", "Did you mean /v1/evals? The base address (`base_url`, `api_base`) ends in /v1."),
        ("/files/file-x/content", "Did you mean /v1/files/file-x/content?"),
        ("/v1//evals", "Did you mean /v1/evals? Mind the slashes"),
        ("/v1/evals/", "Did you mean /v1/evals? Mind the slashes"),
    ],
)
def test_an_address_put_together_wrongly_is_told_with_its_cure(http: httpx2.Client, path: str, hint: str) -> None:
    for method in ("GET", "POST"):
        assert hint in refusal_of(http.request(method, path), 404)["message"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", ["/nowhere", "/v1/evalsx", "/v1/audio/speech", "/v2/evals", "/v1/"])
def test_an_unknown_address_that_resembles_none_gets_no_hint(http: httpx2.Client, path: str) -> None:
    assert refusal_of(http.get(path), 404)["message"] == f"Unknown URL: GET {path}."


ALLOWED = [
    ("/v1/evals", "GET, HEAD, POST, OPTIONS"),
    ("/openai/v1/evals", "GET, HEAD, POST, OPTIONS"),
    ("/openai/evals?api-version=preview", "GET, HEAD, POST, OPTIONS"),
    ("/v1/evals/eval_x", "GET, HEAD, POST, DELETE, OPTIONS"),
    ("/v1/evals/e/runs", "GET, HEAD, POST, OPTIONS"),
    ("/v1/evals/e/runs/r", "GET, HEAD, POST, DELETE, OPTIONS"),
    ("/v1/evals/e/runs/r/cancel", "POST, OPTIONS"),
    ("/v1/evals/e/runs/r/output_items", "GET, HEAD, OPTIONS"),
    ("/v1/files", "GET, HEAD, POST, OPTIONS"),
    ("/v1/files/file-x", "GET, HEAD, DELETE, OPTIONS"),
    ("/v1/models", "GET, HEAD, OPTIONS"),
    ("/v1/fine_tuning/alpha/graders/run", "POST, OPTIONS"),
    ("/healthz", "GET, HEAD, OPTIONS"),
    ("/ui/", "GET, HEAD, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
]


@ON_ONE_DATABASE
@pytest.mark.parametrize(("path", "allowed"), ALLOWED)
def test_another_method_is_refused_naming_all_that_the_path_takes(http: httpx2.Client, path: str, allowed: str) -> None:
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"} - {*allowed.split(", ")}
    for method in methods:
        answer = http.request(method, path)
        error = refusal_of(answer, 405)
        assert (error["code"], answer.headers["allow"]) == ("method_not_allowed", allowed)
        assert error["message"].endswith(f"it takes {allowed}.")
    options = http.options(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allowed, b"")


@ON_ONE_DATABASE
def test_options_of_an_unknown_url_are_not_found(http: httpx2.Client) -> None:
    assert refusal_of(http.options("/v1/nowhere"), 404)["code"] == "unknown_url"


def test_head_is_answered_wherever_get_is(http: httpx2.Client, run_to_end: RunToEnd, make_eval: MakeEval) -> None:
    run = run_to_end(make_eval())
    file_id = http.post("/v1/files", files={"file": ("f", b"0123")}, data={"purpose": "evals"}).json()["id"]
    item_id = items_of(http, run)[0]["id"]
    items = f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items"
    paths = [
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/ui/",
        "/",
        "/v1/evals?limit=1",
        "/openai/v1/models",
        items,
        f"{items}/{item_id}",
        f"/v1/files/{file_id}",
        f"/v1/files/{file_id}/content",
        "/v1/evals/nope",
        "/v1/evals?limit=x",
        "/nowhere",
    ]
    key = f"authorization: {http.headers['authorization']}\r\n" if "authorization" in http.headers else ""
    for path in paths:
        # As it came over the wire: a client drops the body of such an answer itself.
        with socket.create_connection((http.base_url.host, http.base_url.port or 0), timeout=10) as connection:
            connection.sendall(f"HEAD {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{key}connection: close\r\n\r\n".encode())
            received = b"".join(iter(lambda: connection.recv(65_536), b""))
        got = http.get(path)
        head, _, body = received.decode().partition("\r\n\r\n")
        assert (head.split()[1], body) == (str(got.status_code), ""), path
        assert f"content-length: {got.headers['content-length']}\r\n" in head or path in ("/readyz", "/openapi.json")


def test_aliases_answer_like_the_contracts_paths(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval())
    for path in (
        f"/evals/{run['eval_id']}",
        f"/evals/{run['eval_id']}/runs/{run['id']}",
        f"/evals/{run['eval_id']}/runs/{run['id']}/output_items",
        "/files",
        "/models",
    ):
        plain = http.get(f"/v1{path}")
        assert plain.status_code == 200
        for alias in (f"/openai/v1{path}", f"/openai{path}?api-version=2025-04-01-preview"):
            assert http.get(alias).text == plain.text


def test_aliases_write_too(http: httpx2.Client) -> None:
    made = http.post("/openai/evals?api-version=preview", json=eval_body())
    assert made.status_code == 201
    run = http.post(f"/openai/v1/evals/{made.json()['id']}/runs", json={"data_source": inline_source()})
    assert run.status_code == 201
    canceled = http.post(f"/openai/v1/evals/{made.json()['id']}/runs/{run.json()['id']}/cancel")
    assert canceled.status_code == 200
    assert http.delete(f"/openai/evals/{made.json()['id']}").status_code == 200
    body = {"bytes": 1, "filename": "f", "mime_type": "text/plain", "purpose": "evals"}
    announced = http.post("/openai/uploads?api-version=preview", json=body)
    assert announced.status_code == 200
    assert http.post(f"/openai/v1/uploads/{announced.json()['id']}/cancel").status_code == 200


@WITHOUT_KEYS
def test_the_sdks_headers_of_every_kind_are_accepted(http: httpx2.Client) -> None:
    headers = {
        "api-key": "k",
        "openai-organization": "org-x",
        "openai-project": "proj_x",
        "openai-beta": "evals=v1",
        "x-stainless-lang": "python",
        "authorization": "Bearer sk-x",
        "idempotency-key": "one",
    }
    assert http.get("/v1/evals", headers=headers).status_code == 200
    assert http.get("/v1/evals", headers={"authorization": "Basic nonsense"}).status_code == 200


def test_the_sdk_for_azure_is_served(server: Server) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=server.url, api_key=server.key or "k", api_version="2025-04-01-preview", max_retries=0
    ) as azure:
        made = azure.evals.create(**eval_body(name="azure"))
        assert azure.evals.retrieve(made.id).name == "azure"


@ON_ONE_DATABASE
def test_a_foreign_host_is_refused(http: httpx2.Client) -> None:
    refusal_of(http.get("/v1/evals", headers={"host": "evil.example"}), 421)


@ON_ONE_DATABASE
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_page_of_another_local_port_may_not_write(http: httpx2.Client, content_type: str) -> None:
    headers = {"origin": "http://localhost:3000", "content-type": content_type}
    refused = refusal_of(http.post("/v1/evals", headers=headers, content=json.dumps(eval_body())), 403)
    assert "EVALHAVEN_ALLOWED_ORIGINS" in refused["message"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity"])
def test_a_compressed_body_is_refused_naming_the_header(http: httpx2.Client, coding: str) -> None:
    for path, content in (
        ("/v1/evals", gzip.compress(json.dumps(eval_body()).encode())),
        ("/v1/files", b"--b--"),
        ("/v1/fine_tuning/alpha/graders/validate", b"{}"),
    ):
        headers = {"content-encoding": coding, "content-type": "multipart/form-data; boundary=b"}
        refused = refusal_of(http.post(path, content=content, headers=headers), 415)
        assert (refused["param"], refused["code"]) == ("Content-Encoding", "unsupported_encoding")
        assert "send it plain" in refused["message"]


@pytest.mark.parametrize("coding", ["identity", "", "utf-8"])
def test_a_body_that_is_called_encoded_and_is_plain_is_taken(http: httpx2.Client, coding: str) -> None:
    body = json.dumps(eval_body()).encode()
    assert http.post("/v1/evals", content=body, headers={"content-encoding": coding}).status_code == 201


@ON_ONE_DATABASE
@pytest.mark.parametrize("sent", [b"hello\r\n\r\n", b"GET /v1/evals HTTP/1.1\r\nhost: 127.0.0.1\r\nno colon\r\n\r\n"])
def test_what_is_no_http_request_is_refused_in_the_envelope(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(sent)
        received = b""
        while block := connection.recv(65_536):
            received += block
    head, _, body = received.decode().partition("\r\n\r\n")
    line, *fields = head.split("\r\n")
    headers = {name: value for name, _, value in (field.partition(": ") for field in fields)}
    assert line == "HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/json"
    assert refusal_of(httpx2.Response(400, headers=headers, text=body))["param"] is None


def test_old_report_links_lead_to_the_page(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run = run_to_end(make_eval())
    for path in (f"/evaluations/{run['eval_id']}", f"/evaluation/evals/{run['eval_id']}"):
        answer = http.get(path, params={"project_id": "proj_x", "run_id": run["id"]}, follow_redirects=True)
        assert answer.status_code == 200
        assert str(answer.url) == run["report_url"]
        assert http.get(path, follow_redirects=True).status_code == 200


@pytest.fixture(scope="module")
def aging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose database is changed from outside, to make time pass."""
    settings = {"EVALHAVEN_PUBLIC_URL": "https://evals.example.org/", "EVALHAVEN_EXPOSE_WITHOUT_KEYS": "true"}
    with Server(tmp_path_factory.mktemp("aging"), **settings).running() as up:
        yield up


def test_an_expired_file_is_gone(aging: Server) -> None:
    with httpx2.Client(base_url=aging.url) as http:
        fields = {"purpose": "evals", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        file_id = http.post("/v1/files", files={"file": ("f", b"{}")}, data=fields).json()["id"]
        assert http.get(f"/v1/files/{file_id}").status_code == 200
        with sqlite3.connect(aging.database_path, timeout=10) as database:
            database.execute("UPDATE files SET expires_at = created_at - 1 WHERE public_id = ?", [file_id])
        database.close()
        refusal_of(http.get(f"/v1/files/{file_id}"), 404)
        refusal_of(http.get(f"/v1/files/{file_id}/content"), 404)
        assert http.get("/v1/files").json()["data"] == []
        parent = http.post("/v1/evals", json=eval_body()).json()["id"]
        source: dict[str, Any] = {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}
        refused = http.post(f"/v1/evals/{parent}/runs", json={"data_source": source})
        assert refusal_of(refused)["param"] == "data_source.source.id"


def test_the_public_url_begins_links_and_is_a_host_of_its_own(aging: Server) -> None:
    with httpx2.Client(base_url=aging.url, headers={"host": "evals.example.org"}) as http:
        parent = http.post("/v1/evals", json=eval_body()).json()["id"]
        run = http.post(f"/v1/evals/{parent}/runs", json={"data_source": inline_source()}).json()
        assert run["report_url"] == f"https://evals.example.org/ui/evals/{parent}/runs/{run['id']}"


def test_answers_are_compact_json_with_text_as_it_is(http: httpx2.Client, make_eval: MakeEval) -> None:
    text = http.get(f"/v1/evals/{make_eval(name='größe 😀')['id']}").text
    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def test_items_are_complete_as_soon_as_the_run_is(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval()
    for _ in range(5):
        run = run_to_end(parent, [{"item": {"a": "x", "b": "x"}}] * 20)
        items = items_of(http, run)
        assert len(items) == run["result_counts"]["total"] == 20
        assert all(len(item["results"]) == 1 for item in items)


def test_a_creation_sent_again_with_its_key_makes_one_object(http: httpx2.Client, make_eval: MakeEval) -> None:
    """The SDKs of some languages send a key with every creation, and the same one with a retry."""
    parent = make_eval()["id"]
    for path, body in (("/v1/evals", eval_body()), (f"/v1/evals/{parent}/runs", {"data_source": inline_source()})):
        headers = {"idempotency-key": f"stainless-retry-{path}-{parent}"}
        first, second = (http.post(path, json=body, headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] == second.json()["id"]
        other = http.post(path, json=body, headers={"idempotency-key": f"other-{path}-{parent}"})
        assert other.json()["id"] != first.json()["id"]
