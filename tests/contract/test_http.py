"""What all answers have in common: headers, aliases, the error envelope; the page of a run."""

import json
import socket
import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, eval_body, inline_source, items_of, refusal_of, string_check
from tests.server import Server


def test_every_answer_has_an_id_and_a_time(http: httpx.Client, make_eval: MakeEval) -> None:
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


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v2/evals", "/evals", "/openai/evals/x/y/z", "/v1/evals/", "/%00"]
)
def test_an_unknown_url_is_not_found(http: httpx.Client, path: str) -> None:
    error = refusal_of(http.post(path, content=b"{}"), 404 if path not in {"/"} else 405)
    assert error["code"] in {"unknown_url", "method_not_allowed", "not_found"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/evals/eval_x", {"GET", "POST", "DELETE"}),
        ("PUT", "/v1/evals", {"GET", "POST"}),
        ("POST", "/v1/files/file-x", {"GET", "DELETE"}),
        ("DELETE", "/v1/models", {"GET"}),
        ("POST", "/v1/evals/e/runs/r/output_items", {"GET"}),
    ],
)
def test_another_method_is_refused_naming_those_allowed(
    http: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = http.request(method, path)
    assert refusal_of(answer, 405)["code"] == "method_not_allowed"
    assert {each.strip() for each in answer.headers["allow"].split(",")} <= allowed


def test_aliases_answer_like_the_contracts_paths(http: httpx.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
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


def test_aliases_write_too(http: httpx.Client) -> None:
    made = http.post("/openai/evals?api-version=preview", json=eval_body())
    assert made.status_code == 201
    run = http.post(f"/openai/v1/evals/{made.json()['id']}/runs", json={"data_source": inline_source()})
    assert run.status_code == 201
    canceled = http.post(f"/openai/v1/evals/{made.json()['id']}/runs/{run.json()['id']}/cancel")
    assert canceled.status_code == 200
    assert http.delete(f"/openai/evals/{made.json()['id']}").status_code == 200


def test_the_sdks_headers_of_every_kind_are_accepted(server: Server, http: httpx.Client) -> None:
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
    with openai.AzureOpenAI(
        azure_endpoint=server.url, api_key="k", api_version="2025-04-01-preview", max_retries=0
    ) as azure:
        made = azure.evals.create(**eval_body(name="azure"))
        assert azure.evals.retrieve(made.id).name == "azure"


def test_a_foreign_host_is_refused(http: httpx.Client) -> None:
    refusal_of(http.get("/v1/evals", headers={"host": "evil.example"}), 421)
    refusal_of(http.post("/v1/evals", headers={"origin": "https://evil.example"}, json={}), 403)


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
    assert refusal_of(httpx.Response(400, headers=headers, text=body))["param"] is None


HOSTILE = '</title></pre><script>alert(1)</script><img src=x onerror="a">\'"&\x00\ud800'


def test_the_page_of_a_run_is_readable_and_escapes_everything(
    http: httpx.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": HOSTILE}, "finish_reason": "stop"}
    parent = make_eval(name=HOSTILE, testing_criteria=[string_check(name=HOSTILE)])
    rows = [{"item": {"a": HOSTILE, HOSTILE: 1}, "sample": {"model": HOSTILE, "choices": [choice]}}]
    run = run_to_end(parent, rows, name=HOSTILE, **{HOSTILE[:-1]: 1})
    for url in (run["report_url"], run["report_url"].partition("/runs/")[0], "/ui/"):
        page = http.get(url)
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert "&lt;script&gt;" in page.text
    assert run["id"] in http.get(run["report_url"]).text


def test_old_report_links_lead_to_the_page(http: httpx.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run = run_to_end(make_eval())
    for path in (f"/evaluations/{run['eval_id']}", f"/evaluation/evals/{run['eval_id']}"):
        answer = http.get(path, params={"project_id": "proj_x", "run_id": run["id"]}, follow_redirects=True)
        assert answer.status_code == 200
        assert run["id"] in answer.text
        assert str(answer.url) == run["report_url"]
        assert http.get(path, follow_redirects=True).status_code == 200


@pytest.mark.parametrize("path", ["/ui/evals/x", "/ui/evals/x/runs/y", "/ui/evals/%3Cscript%3E/runs/y"])
def test_the_page_of_what_is_not_there_is_not_found(http: httpx.Client, path: str) -> None:
    page = http.get(path)
    assert page.status_code == 404
    assert "<script" not in page.text


@pytest.fixture(scope="module")
def aging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose database is changed from outside, to make time pass."""
    with Server(tmp_path_factory.mktemp("aging"), EVALHAVEN_PUBLIC_URL="https://evals.example.org/").running() as up:
        yield up


def test_an_expired_file_is_gone(aging: Server) -> None:
    with httpx.Client(base_url=aging.url) as http:
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
    with httpx.Client(base_url=aging.url, headers={"host": "evals.example.org"}) as http:
        parent = http.post("/v1/evals", json=eval_body()).json()["id"]
        run = http.post(f"/v1/evals/{parent}/runs", json={"data_source": inline_source()}).json()
        assert run["report_url"] == f"https://evals.example.org/ui/evals/{parent}/runs/{run['id']}"


def test_answers_are_compact_json_with_text_as_it_is(http: httpx.Client, make_eval: MakeEval) -> None:
    text = http.get(f"/v1/evals/{make_eval(name='größe 😀')['id']}").text
    assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))


def test_items_are_complete_as_soon_as_the_run_is(
    http: httpx.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval()
    for _ in range(5):
        run = run_to_end(parent, [{"item": {"a": "x", "b": "x"}}] * 20)
        items = items_of(http, run)
        assert len(items) == run["result_counts"]["total"] == 20
        assert all(len(item["results"]) == 1 for item in items)


def test_a_creation_sent_again_with_its_key_makes_one_object(http: httpx.Client, make_eval: MakeEval) -> None:
    """The SDKs of some languages send a key with every creation, and the same one with a retry."""
    parent = make_eval()["id"]
    for path, body in (("/v1/evals", eval_body()), (f"/v1/evals/{parent}/runs", {"data_source": inline_source()})):
        headers = {"idempotency-key": f"stainless-retry-{path}-{parent}"}
        first, second = (http.post(path, json=body, headers=headers) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["id"] == second.json()["id"]
        other = http.post(path, json=body, headers={"idempotency-key": f"other-{path}-{parent}"})
        assert other.json()["id"] != first.json()["id"]
