"""Calls through the gateway: what goes on unchanged, what is refused, and what failures look like."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.server import Server, show_server_logs
from tests.streaming_upstream import Answer, StreamingUpstream
from tests.system.client import wait_until
from tests.system.passing_on import (
    ASKED,
    CHAT,
    EMBEDDINGS,
    HEADER,
    KEY,
    QUERY,
    RESPONSES,
    chat,
    error_of,
    passing_server,
)

pytest_runtest_makereport = show_server_logs

_LIMIT_MB = 16
_ENCODED_QUERY = "value%26of+query"
_SECRETS = (KEY, HEADER, QUERY, _ENCODED_QUERY)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, StreamingUpstream]]:
    with passing_server(tmp_path_factory.mktemp("gateway"), EVALHAVEN_MAX_BODY_MB=str(_LIMIT_MB)) as (server, upstream):
        yield server, upstream
        for secret in _SECRETS:
            assert secret not in server.log
        for sign in ("Traceback", "request_failed_unexpectedly", "ANSWER:"):
            assert sign not in server.log


@pytest.fixture
def server(running: tuple[Server, StreamingUpstream]) -> Server:
    return running[0]


@pytest.fixture
def upstream(running: tuple[Server, StreamingUpstream]) -> Iterator[StreamingUpstream]:
    running[1].requests.clear()
    yield running[1]
    running[1].answers.clear()


@pytest.fixture
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30, trust_env=False, verify=False) as client:
        yield client


def post(http: httpx2.Client, path: str = CHAT, /, **body: Any) -> httpx2.Response:
    return http.post(path, json=body)


PATHS = [
    CHAT, RESPONSES, EMBEDDINGS, "/openai/v1/chat/completions", "/openai/v1/responses", "/openai/v1/embeddings",
    "/openai/chat/completions?api-version=2025-01-01", "/openai/responses?api-version=preview", "/openai/embeddings",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_bytes_pass_in_both_directions_as_they_are(http: httpx2.Client, upstream: StreamingUpstream, path: str) -> None:
    asked_at = "/" + path.partition("?")[0].removeprefix("/openai").removeprefix("/v1").removeprefix("/")
    reply = b'{ "id": "1",\n "odd": 1.00000000000000000001e5, "text": "\\u00e9\xc3\xa9" }\n\n'
    upstream.answers[asked_at] = Answer(reply)
    body = b'{"unknown":1.10,  "model" :"any/model", "input":"\\ud83d\\ude00 \xf0\x9f\x98\x80", "store":false}\n'
    answer = http.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.content) == (200, reply)
    assert [(each.path, each.body) for each in upstream.requests] == [(asked_at, body)]


def test_the_endpoint_gets_its_own_key_and_never_the_callers(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    own = {
        "authorization": "Bearer the-callers-key",
        "api-key": "the-callers-key",
        "cookie": "session=the-callers",
        "x-api-key": "the-callers-key",
        "openai-organization": "org-of-the-caller",
        "user-agent": "OpenAI/Python",
        "x-stainless-lang": "python",
        "x-team": "of-the-caller",
    }
    meant = {"openai-beta": "assistants=v2", "idempotency-key": "once", "traceparent": "00-1-2-01"}
    http.post(CHAT, json=chat(), headers={**own, **meant})
    sent = upstream.requests[0].headers
    assert sent["authorization"] == f"Bearer {KEY}"
    assert sent["x-team"] == "evals", "of the configuration, whatever the caller says"
    assert sent["x-gateway"] == HEADER
    assert upstream.requests[0].query == f"pass={_ENCODED_QUERY}"
    assert "caller" not in json.dumps(sent)
    assert "Python" not in json.dumps(sent)
    assert {name: sent[name] for name in meant} == meant


def test_a_header_that_cannot_be_passed_on_is_named(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    answer = http.post(CHAT, json=chat(), headers={"openai-beta": b"\xe9t\xe9"})  # type: ignore[dict-item]
    assert (answer.status_code, error_of(answer)["param"]) == (400, "openai-beta")
    assert upstream.requests == []


def test_only_an_aliass_name_is_replaced(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    body = b'{ "note": {"model": "short"}, "model" : "short",\n "n": 1.10 }'
    http.post(CHAT, content=body)
    http.post(CHAT, content=b'{"model":"up/inner/name"}')
    assert upstream.requests[0].body == b'{ "note": {"model": "short"}, "model" : "vendor/a-long-name",\n "n": 1.10 }'
    assert upstream.requests[1].body == b'{"model":"inner/name"}', "without the name of its endpoint"


def test_useful_headers_of_the_reply_pass_and_no_others(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    passed = {
        "retry-after": "7",
        "x-ratelimit-remaining-requests": "41",
        "openai-processing-ms": "123",
        "openai-model": "m-2026",
    }
    others = {"set-cookie": "a=b", "server": "nginx", "x-request-id": "req_upstream", "x-private": "1", "via": "x"}
    upstream.answers["/chat/completions"] = Answer(b"{}", 200, {**passed, **others})
    answer = post(http, **chat())
    assert {name: answer.headers.get(name) for name in passed} == passed
    assert answer.headers["x-upstream-request-id"] == "req_upstream"
    assert answer.headers["x-request-id"] not in ("", "req_upstream")
    assert not {"set-cookie", "server", "x-private", "via", "connection"} & set(answer.headers)
    assert answer.headers["content-length"] == "2"


def test_a_reply_that_is_compressed_unasked_arrives_plain(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    content = b'{"text": "' + b"again " * 1000 + b'"}'
    upstream.answers["/chat/completions"] = Answer(gzip.compress(content), 200, {"content-encoding": "gzip"})
    answer = post(http, **chat())
    assert answer.content == content
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 500, 503])
def test_an_endpoints_failure_passes_without_the_secrets_that_it_was_sent(
    http: httpx2.Client, upstream: StreamingUpstream, status: int
) -> None:
    repeated = f"No: Bearer {KEY}, x-gateway: {HEADER}, /chat?pass={_ENCODED_QUERY} is {QUERY}."
    said = {"error": {"message": repeated, "type": "t", "param": None, "code": "c"}}
    headers = {"retry-after": "3", "x-ratelimit-limit-tokens": "9", "openai-organization": " ".join(_SECRETS)}
    upstream.answers["/chat/completions"] = Answer(json.dumps(said).encode(), status, headers)
    answer = post(http, **chat())
    assert answer.status_code == status
    masked = "No: Bearer ***, x-gateway: ***, /chat?pass=*** is ***."
    assert error_of(answer) == {"message": masked, "type": "t", "param": None, "code": "c"}
    assert (answer.headers["retry-after"], answer.headers["x-ratelimit-limit-tokens"]) == ("3", "9")
    assert [each for each in _SECRETS if each in str(answer.headers)] == []
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("status", [302, 307, 304])
def test_an_endpoint_that_points_elsewhere_is_not_followed(
    http: httpx2.Client, upstream: StreamingUpstream, status: int
) -> None:
    upstream.answers["/chat/completions"] = Answer(b"", status, {"location": "http://127.0.0.1:1/"})
    answer = post(http, **chat())
    assert (answer.status_code, error_of(answer)["code"]) == (502, "endpoint_unreachable")
    assert "base_url" in error_of(answer)["message"]


@pytest.mark.parametrize("status", [600, 700, 999])
def test_a_status_that_http_does_not_have_is_a_502(
    http: httpx2.Client, upstream: StreamingUpstream, status: int
) -> None:
    upstream.answers["/chat/completions"] = Answer(b"{}", status)
    answer = post(http, **chat())
    assert (answer.status_code, error_of(answer)["code"]) == (502, "endpoint_unreachable")
    assert f"answered {status}" in error_of(answer)["message"]


@pytest.mark.parametrize("status", [200, 429])
def test_a_header_that_no_server_may_send_does_not_pass(
    http: httpx2.Client, upstream: StreamingUpstream, status: int
) -> None:
    odd = {"x-ratelimit-a": "a\x01b", "openai-model": "\xe4", "x-ratelimit-c": "a\tb"}
    upstream.answers["/chat/completions"] = Answer(b"{}", status, odd)
    answer = post(http, **chat())
    assert (answer.status_code, answer.content) == (status, b"{}")
    assert (answer.headers["openai-model"], answer.headers["x-ratelimit-c"]) == ("\xe4", "a\tb")
    assert "x-ratelimit-a" not in answer.headers


def test_a_failure_that_is_too_long_is_named(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    upstream.answers["/chat/completions"] = Answer(b"x" * 1_100_000, 500)
    answer = post(http, **chat())
    assert (answer.status_code, error_of(answer)["code"]) == (502, "endpoint_failed")
    assert "answered 500" in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("model", "status", "code", "cure"),
    [
        ("gone", 502, "endpoint_unreachable", "evalhaven doctor"),
        ("late", 504, "endpoint_timeout", "timeout_s"),
    ],
)
def test_an_endpoint_that_gives_no_answer_is_named_with_a_cure(
    http: httpx2.Client, model: str, status: int, code: str, cure: str
) -> None:
    answer = http.post(CHAT, json=chat({"before_ms": 60_000}, model=model))
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["param"], error["type"]) == (status, code, "model", "server_error")
    assert f"'{model}'" in error["message"]
    assert cure in error["message"]


def test_an_unknown_model_is_404_and_says_what_is_served(tmp_path: Path) -> None:
    config = tmp_path / "evalhaven.toml"
    config.write_text('[endpoints.few]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["known-*"]\n')
    with Server(tmp_path, EVALHAVEN_GATEWAY="on", EVALHAVEN_CONFIG=str(config)).running() as server:
        for path in (CHAT, RESPONSES, EMBEDDINGS):
            answer = httpx2.post(f"{server.url}{path}", json={"model": "other", "input": "x"})
            error = error_of(answer)
            assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
            assert "known-*" in error["message"]
            assert answer.headers["x-should-retry"] == "false"


BAD: list[tuple[str, bytes, str | None, str]] = [
    (CHAT, b"", None, "invalid_json"),
    (CHAT, b"{", None, "invalid_json"),
    (CHAT, b"[]", None, "invalid_json"),
    (CHAT, b'"text"', None, "invalid_json"),
    (CHAT, b"\xff\xfe{}", None, "invalid_json"),
    (CHAT, b'{"a":' + b"[" * 100_000, None, "invalid_json"),
    (CHAT, b"{}", "model", "missing_required_parameter"),
    (CHAT, b'{"model":""}', "model", "invalid_value"),
    (RESPONSES, b'{"model":7}', "model", "invalid_value"),
    (EMBEDDINGS, b'{"model":["m"]}', "model", "invalid_value"),
    (RESPONSES, b'{"model":"m","background":true}', "background", "unsupported_parameter"),
    (RESPONSES, b'{"model":"m","conversation":"conv_1"}', "conversation", "unsupported_parameter"),
    (RESPONSES, b'{"model":"m","previous_response_id":{}}', "previous_response_id", "invalid_value"),
    (
        RESPONSES,
        b'{"model":"m","previous_response_id":"resp_0"}',
        "previous_response_id",
        "previous_response_not_found",
    ),
    (
        RESPONSES,
        b'{"model":"m","previous_response_id":"\\ud800"}',
        "previous_response_id",
        "previous_response_not_found",
    ),
    (CHAT, b'{"model":"new-1","messages":[]}', "model", "unsupported_model"),
    (EMBEDDINGS, b'{"model":"scripted","input":"x"}', "model", "unsupported_model"),
]


@pytest.mark.parametrize(("path", "body", "param", "code"), BAD)
def test_what_cannot_be_passed_on_is_refused_here(
    http: httpx2.Client, upstream: StreamingUpstream, path: str, body: bytes, param: str | None, code: str
) -> None:
    answer = http.post(path, content=body)
    error = error_of(answer)
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert (error["type"], answer.headers["x-should-retry"]) == ("invalid_request_error", "false")
    assert upstream.requests == []


def test_json_that_only_lenient_parsers_read_passes(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    body = b'{"model":"m","text":"\\ud800"}'  # a lone surrogate
    assert http.post(CHAT, content=body).status_code == 200
    assert upstream.requests[0].body == body


def test_large_requests_pass_up_to_the_limit(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    def sized(size: int) -> bytes:
        head, tail = b'{"model":"short","image":"', b'","messages":[{"content":"ANSWER: x","role":"user"}]}'
        return head + b"A" * (size - len(head) - len(tail)) + tail

    most = _LIMIT_MB * 1024 * 1024
    assert http.post(CHAT, content=sized(most)).status_code == 200
    assert upstream.requests[0].body == sized(most).replace(b"short", b"vendor/a-long-name")
    for headers in ({}, {"transfer-encoding": "chunked"}):
        content: Any = sized(most + 1) if not headers else iter([sized(most + 1)])
        answer = http.post(CHAT, content=content)
        assert (answer.status_code, error_of(answer)["code"]) == (413, "request_too_large")
    answer = http.post(CHAT, content=b"x", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert len(upstream.requests) == 1


def test_the_guards_of_other_writes_hold_here(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    for path in (CHAT, RESPONSES, EMBEDDINGS):
        for headers, status, code in (
            ({"host": "evil.example"}, 421, "unknown_host"),
            ({"origin": "https://evil.example"}, 403, "foreign_origin"),
            ({"sec-fetch-site": "cross-site"}, 403, "foreign_origin"),
            ({"x-evalhaven-hop": "1"}, 508, "loop_detected"),
        ):
            answer = http.post(path, json=chat(), headers=headers)
            assert (answer.status_code, error_of(answer)["code"]) == (status, code)
        # Stored completions are listed at the path at which they are made.
        read = "GET, HEAD, " if path.endswith("/chat/completions") else ""
        assert http.options(path).headers["allow"] == f"{read}POST, OPTIONS"
        assert error_of(http.put(path))["code"] == "method_not_allowed"
    own = http.post(CHAT, json=chat(), headers={"origin": str(http.base_url).rstrip("/")})
    assert (own.status_code, own.headers["access-control-allow-origin"]) == (200, str(http.base_url).rstrip("/"))
    assert len(upstream.requests) == 1


def test_each_call_has_one_line_in_the_log_with_its_endpoint(server: Server, http: httpx2.Client) -> None:
    request_id = post(http, **chat()).headers["x-request-id"]
    wait_until(lambda: request_id in server.log, "the call is logged")  # once its answer is complete
    [line] = [line for line in server.log.splitlines() if request_id in line]
    assert "endpoint=up " in line
    assert f"path={CHAT}" in line


def test_what_a_client_sends_does_nothing_in_the_terminal_of_the_operator(server: Server, http: httpx2.Client) -> None:
    http.get("/v1/chat/completions/%1B[31mred%C2%9B%E2%80%AE%00")
    shown = r"path='/v1/chat/completions/\x1b[31mred\x9b\u202e\x00'"
    wait_until(lambda: shown in server.log, "the request's line in the log")
    assert not set("\x1b\x9b\u202e\x00") & set(server.log)


def test_beyond_loopback_calls_are_refused_until_they_are_allowed(tmp_path: Path) -> None:
    beyond = {"EVALHAVEN_HOST": "0.0.0.0", "EVALHAVEN_EXPOSE_WITHOUT_KEYS": "true"}  # noqa: S104
    for gateway, status in (("", 403), ("on", 200)):
        with Server(tmp_path, **beyond, EVALHAVEN_GATEWAY=gateway).running() as server:
            answer = httpx2.post(f"{server.url}{CHAT}", json=chat())
            assert answer.status_code == status, gateway
            if status == 403:
                assert error_of(answer)["code"] == "gateway_off"
                assert "EVALHAVEN_GATEWAY=on" in error_of(answer)["message"]
                assert answer.headers["x-should-retry"] == "false"


def test_the_sdk_asks_scripted_models_in_every_way(server: Server) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
    made = client.chat.completions.create(model="scripted", messages=[{"role": "user", "content": "ANSWER: two words"}])
    assert made.choices[0].message.content == "two words"
    chunks = list(
        client.chat.completions.create(
            model="scripted",
            messages=[{"role": "user", "content": "ANSWER: two words"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == "two words"
    assert [each.usage for each in chunks if each.usage] == [made.usage]
    response = client.responses.create(model="scripted", input="ANSWER: two words")
    assert response.output_text == "two words"
    with client.responses.stream(model="scripted", input="ANSWER: two words") as stream:
        kinds = [event.type for event in stream]
        whole = stream.get_final_response()
    assert whole.output_text == "two words"
    assert kinds.count("response.output_text.delta") == 2
    with client.responses.stream(model="scripted", input="refuse") as stream:
        assert "response.refusal.done" in [event.type for event in stream]
    with pytest.raises(openai.InternalServerError, match=r"Too busy\."):
        client.responses.create(model="scripted", input="overload", stream=True)


def test_azures_client_asks_by_its_own_addresses(server: Server, upstream: StreamingUpstream) -> None:
    client = openai.AzureOpenAI(azure_endpoint=server.url, api_key="any", api_version="2025-01-01", max_retries=0)
    made = client.chat.completions.create(model="short", messages=[{"role": "user", "content": "ANSWER: yes"}])
    assert made.choices[0].message.content == "yes"
    assert client.embeddings.create(model="any", input="x").data[0].index == 0
    assert client.responses.create(model="any", input="ANSWER: no").output_text == "no"
    assert [each.path for each in upstream.requests] == ["/chat/completions", "/embeddings", "/responses"]


def test_the_sdk_asks_for_responses_where_only_chat_is_served(server: Server, upstream: StreamingUpstream) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)
    response = client.responses.create(
        model="old-1", instructions="Be brief.", input="ANSWER: yes", max_output_tokens=9
    )
    assert (response.output_text, response.status, response.model) == ("yes", "completed", "old-1")
    assert response.usage is not None
    assert response.usage.total_tokens > 0
    [sent] = upstream.requests
    assert sent.path == "/chat/completions"
    assert json.loads(sent.body) == {
        "model": "old-1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "ANSWER: yes"}],
        "max_completion_tokens": 9,
    }
    chunks = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": "one"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": " two"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
    ]
    parts = [b"data: " + json.dumps({"model": "old-2026", **each}).encode() + b"\n\n" for each in chunks]
    upstream.answers["/chat/completions"] = Answer([*parts, b"data: [DONE]\n\n"])
    with client.responses.stream(model="old-1", input=[{"role": "user", "content": "x"}]) as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        whole = stream.get_final_response()
    assert (texts, whole.output_text, whole.model) == (["one", " two"], "one two", "old-2026")
    assert whole.usage is not None
    assert whole.usage.output_tokens == 2
    assert json.loads(upstream.requests[-1].body)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("keys", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"truncation": "auto"}, "truncation"),
        ({"include": ["reasoning.encrypted_content"]}, "include"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"a_new_key": 1}, "a_new_key"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "http://x/y"}]}]}, None),
    ],
)
def test_what_would_be_lost_in_chat_completions_is_refused_by_name(
    http: httpx2.Client, upstream: StreamingUpstream, keys: dict[str, Any], param: str | None
) -> None:
    answer = post(http, RESPONSES, **{"model": "old-1", "input": "x", **keys})
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "unsupported_parameter")
    assert error["param"] == (param or "input[0].content[0].file_url")
    assert upstream.requests == []


def test_a_chat_completion_that_is_none_is_a_502_of_the_response(
    http: httpx2.Client, upstream: StreamingUpstream
) -> None:
    for content in (b"<html>", b"[]", b'{"choices":[]}'):
        upstream.answers["/chat/completions"] = Answer(content)
        answer = post(http, RESPONSES, model="old-1", input="x")
        assert (answer.status_code, error_of(answer)["code"]) == (502, "endpoint_failed")
    for parts in ([b"data: {\n\n"], [b'data: {"error":{"message":"no"}}\n\n'], [b"data: {}\n\n"]):
        upstream.answers["/chat/completions"] = Answer(parts)
        with pytest.raises(httpx2.RemoteProtocolError):
            post(http, RESPONSES, model="old-1", input="x", stream=True)


def test_embeddings_pass(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    answer = post(http, EMBEDDINGS, model="e", input=["a", "b"])
    assert [each["index"] for each in answer.json()["data"]] == [0, 1]
    assert upstream.requests[0].path == "/embeddings"


def test_a_request_in_pieces_passes_whole(http: httpx2.Client, upstream: StreamingUpstream) -> None:
    body = json.dumps({"model": "m", "messages": ASKED}).encode()
    answer = http.post(CHAT, content=(body[at : at + 7] for at in range(0, len(body), 7)))
    assert answer.status_code == 200
    assert upstream.requests[0].body == body
