"""Runs that call a model: what is sent, what comes back, what is counted, and what ends them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, NewServer, items_of, refusal_of, wait_for_end
from tests.databases import TemporaryDatabase
from tests.listening_endpoint import ListeningEndpoint
from tests.replicas import Replicas
from tests.server import Server

CONFIG = """
[endpoints.rules]
scripted = true
models = ["scripted", "priced"]
max_concurrency = 50

[[endpoints.rules.prices]]
model = "priced"
input = 1000000.0
output = 2000000.0

[[endpoints.rules.rules]]
when = "^break (.+)$"
status = 400

[[endpoints.rules.rules]]
when = "^wait$"
latency_ms = 20000
answer = "late"

[endpoints.listener]
base_url = "{url}/v1"
models = ["listen*"]
retry_for_s = 0

[endpoints.closed]
base_url = "{url}/closed"
models = ["closed"]
retry_for_s = 0

[endpoints.spoken]
base_url = "{url}/spoken"
models = ["spoken"]

[endpoints.plain]
base_url = "{url}/v1"
models = ["plain"]
protocol = "chat"
lacks = ["developer_role", "seed"]
"""
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
SAID = [
    {
        "type": "string_check",
        "name": "said",
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.a }}",
        "operation": "eq",
    }
]

Run = dict[str, Any]
RunSampled = Callable[..., Run]


def asked(*content: Any) -> dict[str, Any]:
    return {"type": "template", "template": [{"role": "user", "content": list(content)}]}


@pytest.fixture(scope="module")
def listener() -> Iterator[ListeningEndpoint]:
    with ListeningEndpoint() as endpoint:
        endpoint.answers["/v1/chat/completions"] = (200, chat_reply("heard"))
        endpoint.answers["/closed/chat/completions"] = (401, {"error": {"message": "No such key", "code": "bad_key"}})
        yield endpoint


@pytest.fixture(scope="module")
def sampling_server(
    tmp_path_factory: pytest.TempPathFactory,
    temporary_database: TemporaryDatabase,
    new_server: NewServer,
    listener: ListeningEndpoint,
) -> Iterator[Server | Replicas]:
    directory = tmp_path_factory.mktemp("sampling")
    config = directory / "evalhaven.toml"
    config.write_text(CONFIG.replace("{url}", listener.url))
    with (
        temporary_database() as database_url,
        new_server(directory, database_url, EVALHAVEN_CONFIG=str(config)).running() as server,
    ):
        yield server
        for sign in ("request_failed_unexpectedly", "run_failed_unexpectedly", "executor_died", "Traceback"):
            assert sign not in server.log


@pytest.fixture(scope="module")
def http(sampling_server: Server | Replicas) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=sampling_server.url, headers=sampling_server.headers, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def parent(http: httpx2.Client) -> str:
    body = {
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True},
        "testing_criteria": SAID,
    }
    return http.post("/v1/evals", json=body).json()["id"]


@pytest.fixture(scope="module")
def create(http: httpx2.Client, parent: str) -> Callable[..., httpx2.Response]:
    def send(
        items: list[dict[str, Any]], model: str = "scripted", options: dict[str, Any] | None = None, **changes: Any
    ) -> httpx2.Response:
        source = {"type": "file_content", "content": [row if "item" in row else {"item": row} for row in items]}
        template = [{"role": "user", "content": "{{ item.q }}\nANSWER: {{ item.a }}"}]
        data_source = {
            "type": "completions",
            "source": source,
            "model": model,
            "input_messages": {"type": "template", "template": template},
            **changes,
        }
        body = {"data_source": data_source, **({} if options is None else {"evalhaven": options})}
        return http.post(f"/v1/evals/{parent}/runs", json=body)

    return send


@pytest.fixture(scope="module")
def run_sampled(http: httpx2.Client, create: Callable[..., httpx2.Response]) -> RunSampled:
    def run(*arguments: Any, **more: Any) -> Run:
        answer = create(*arguments, **more)
        assert answer.status_code == 201, answer.text
        return wait_for_end(http, answer.json())

    return run


def chat_reply(text: str) -> dict[str, Any]:
    return {
        "model": "heard-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def rows(count: int) -> list[dict[str, Any]]:
    return [{"q": f"question {number}", "a": f"a{number}"} for number in range(count)]


def last_body(listener: ListeningEndpoint) -> dict[str, Any]:
    return json.loads(listener.requests[-1].body)


@pytest.mark.parametrize("kind", ["completions", "responses"])
def test_a_sampled_run_counts_items_calls_and_tokens_exactly(
    http: httpx2.Client, run_sampled: RunSampled, kind: str
) -> None:
    run = run_sampled(rows(30), type=kind)
    items = items_of(http, run)
    usages = [item["sample"]["usage"] for item in items]

    assert (run["status"], run["result_counts"]) == (
        "completed",
        {"total": 30, "passed": 30, "failed": 0, "errored": 0},
    )
    assert run["per_model_usage"] == [
        {
            "model_name": "scripted",
            "invocation_count": 30,
            **{
                key: sum(usage[key] for usage in usages)
                for key in ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
            },
        }
    ]
    assert run["per_model_usage"][0]["total_tokens"] > 0
    assert run["evalhaven"]["usage_split"]["judge"] == []
    assert run["evalhaven"]["latency"]["p50_ms"] >= 0
    assert sorted(item["datasource_item_id"] for item in items) == list(range(30))


def test_an_output_item_shows_what_was_asked_and_answered(http: httpx2.Client, run_sampled: RunSampled) -> None:
    params = {"temperature": 0.5, "max_completion_tokens": 9, "seed": 3}
    [item] = items_of(http, run_sampled(rows(1), sampling_params=params))

    sample = item["sample"]
    assert sample["input"] == [{"role": "user", "content": "question 0\nANSWER: a0"}]
    assert sample["output"] == [{"role": "assistant", "content": "a0"}]
    assert (sample["finish_reason"], sample["model"], sample["error"]) == ("stop", "scripted", None)
    shown = ("temperature", "top_p", "max_completion_tokens", "seed")
    assert [sample[key] for key in shown] == [0.5, 1.0, 9, 3]
    assert item["evalhaven"].items() >= {"repeat": 0, "attempts": 1, "cached": False, "cost": None}.items()


def test_every_repeat_is_an_item_of_its_own(http: httpx2.Client, run_sampled: RunSampled) -> None:
    run = run_sampled(rows(7), options={"repeats": 3})

    assert run["result_counts"]["total"] == run["evalhaven"]["items_planned"] == 21
    found = sorted((item["datasource_item_id"], item["evalhaven"]["repeat"]) for item in items_of(http, run))
    assert found == [(position, repeat) for position in range(7) for repeat in range(3)]


def test_a_second_run_takes_its_answers_from_the_cache_repeat_by_repeat(
    http: httpx2.Client, run_sampled: RunSampled, listener: ListeningEndpoint
) -> None:
    cached = {"cache": True, "repeats": 2}
    items = [{"q": "remember", "a": f"r{number}"} for number in range(3)]
    first = run_sampled(items, "listen-cached", cached)
    calls = len(listener.requests)
    second = run_sampled(items, "listen-cached", cached)
    plain = run_sampled(items, "listen-cached")

    assert (first["evalhaven"]["cache_hits"], second["evalhaven"]["cache_hits"]) == (0, 6)
    assert len(listener.requests) == calls + 3, "only the run without the cache called anybody"
    assert (second["per_model_usage"], plain["evalhaven"]["cache_hits"]) == ([], 0)
    for item in items_of(http, second):
        assert item["evalhaven"]["cached"] is True
        assert item["evalhaven"]["cost"] == 0
        assert item["sample"]["output"] == [{"role": "assistant", "content": "heard"}]
        assert item["sample"]["input"][0]["content"].startswith("remember")


def test_errors_are_never_remembered(run_sampled: RunSampled) -> None:
    broken = asked("break {{ item.a }}")
    for _ in range(2):
        run = run_sampled(rows(2), options={"cache": True}, input_messages=broken)
        assert (run["result_counts"]["errored"], run["evalhaven"]["cache_hits"]) == (2, 0)


def test_an_item_whose_call_fails_is_errored_and_the_run_goes_on(http: httpx2.Client, run_sampled: RunSampled) -> None:
    items = [{"q": "break it"}, {"q": "fine"}]
    run = run_sampled(items, input_messages=asked("{{ item.q }}"))
    bad, fine = sorted(items_of(http, run), key=lambda item: item["datasource_item_id"])

    assert (run["status"], run["result_counts"]["errored"], run["result_counts"]["failed"]) == ("completed", 1, 1)
    assert (bad["status"], bad["results"]) == ("error", [])
    assert bad["sample"]["output"] == [{"role": "assistant", "content": ""}]
    assert (bad["sample"]["finish_reason"], bad["sample"]["model"]) == ("", "")
    assert bad["sample"]["error"].keys() == {"code", "message"}
    assert bad["evalhaven"]["error"]["origin"] == "sampling"
    assert run["evalhaven"]["errors"] == {bad["sample"]["error"]["code"]: 1}
    assert run["per_testing_criteria_results"][0] == {
        **run["per_testing_criteria_results"][0],
        "passed": 0,
        "failed": 1,
        "errored": 0,
    }
    assert fine["sample"]["output"][0]["content"] == "fine"
    path = f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items"
    assert [item["id"] for item in http.get(path, params={"status": "error"}).json()["data"]] == [bad["id"]]


def test_a_prompt_with_a_hole_is_never_sent(
    http: httpx2.Client, run_sampled: RunSampled, listener: ListeningEndpoint
) -> None:
    calls = len(listener.requests)
    run = run_sampled([{"q": "no a"}], "listen")
    [item] = items_of(http, run)

    assert len(listener.requests) == calls
    assert (item["status"], item["evalhaven"]["error"]["origin"]) == ("error", "template")
    assert "item.a" in item["sample"]["error"]["message"]


def test_a_run_whose_calls_all_fail_alike_stops_early_and_says_why(
    http: httpx2.Client, run_sampled: RunSampled, listener: ListeningEndpoint
) -> None:
    calls = len(listener.requests)
    run = run_sampled(rows(2000), "closed")

    assert (run["status"], run["error"]["code"]) == ("failed", "bad_key")
    assert "No such key" in run["error"]["message"]
    assert 0 < run["result_counts"]["errored"] == run["result_counts"]["total"] < 1000
    assert len(listener.requests) - calls < 1000
    assert len(items_of(http, run)) == run["result_counts"]["total"]


def test_a_run_that_spent_its_budget_stops_and_keeps_what_it_finished(
    http: httpx2.Client, run_sampled: RunSampled
) -> None:
    # A dollar a token of the question, two of the answer: 3 x 1 + 1 x 2 an item.
    run = run_sampled(rows(1000), "priced", {"budget": {"cost": 100.0}, "max_concurrency": 2})

    assert (run["status"], run["error"]["code"]) == ("failed", "budget_exceeded")
    cost = run["evalhaven"]["cost"]["target"]
    assert 100.0 <= cost <= 150.0
    assert cost == sum(item["evalhaven"]["cost"] for item in items_of(http, run))
    assert run["evalhaven"]["budget"] == {"cost": 100.0, "tokens": None}


def test_a_budget_of_tokens_holds_without_prices(run_sampled: RunSampled) -> None:
    run = run_sampled(rows(1000), options={"budget": {"tokens": 50}, "max_concurrency": 1})

    assert run["error"]["code"] == "budget_exceeded"
    assert 50 <= run["per_model_usage"][0]["total_tokens"] <= 70


@ON_ONE_DATABASE
def test_a_budget_in_dollars_needs_a_price(create: Callable[..., httpx2.Response]) -> None:
    error = refusal_of(create(rows(1), options={"budget": {"cost": 1.0}}), 400)

    assert error["param"] == "evalhaven.budget.cost"
    assert "price" in error["message"]


@ON_ONE_DATABASE
def test_a_model_that_nobody_serves_is_refused_with_what_is_served(create: Callable[..., httpx2.Response]) -> None:
    error = refusal_of(create(rows(1), "gpt-9"), 400)

    assert error["param"] == "data_source.model"
    assert "'gpt-9'" in error["message"]
    assert "listen*" in error["message"]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "param", "said"),
    [
        (
            {"input_messages": {"type": "template", "template": []}},
            "data_source.input_messages.template",
            "are empty",
        ),
        (
            {"type": "responses", "model": "plain", "sampling_params": {"tools": [{"type": "web_search"}]}},
            "data_source.sampling_params.tools[0]",
            "runs within the Responses protocol",
        ),
        (
            {"type": "responses", "model": "plain", "sampling_params": {"tool_choice": {"type": "web_search"}}},
            "data_source.sampling_params.tool_choice",
            "belongs to the Responses protocol",
        ),
        (
            {"type": "responses", "model": "plain", "sampling_params": {"text": {"other": 1}}},
            "data_source.sampling_params.text.other",
            "no place in chat completions",
        ),
        (
            {"model": "plain", "input_messages": asked("x", {"type": "input_file", "file_url": "https://x/y.pdf"})},
            "data_source.input_messages.template[0].content[1].file_url",
            "Input message 0, part 1: chat completions take no file_url",
        ),
        ({"options": {"extra_body": {"stream": True}}}, "evalhaven.extra_body.stream", "read whole"),
        ({"options": {"extra_body": {"model": "x"}}}, "evalhaven.extra_body.model", "the run itself sets"),
    ],
)
def test_what_no_endpoint_has_a_form_for_is_refused(
    create: Callable[..., httpx2.Response], changes: dict[str, Any], param: str, said: str
) -> None:
    error = refusal_of(create(rows(1), **changes), 400)

    assert (error["param"], error["code"]) == (param, "unsupported")
    assert said in error["message"]


def test_a_canceled_run_drops_its_calls(http: httpx2.Client, create: Callable[..., httpx2.Response]) -> None:
    run = create([{"q": "wait"}] * 5, input_messages=asked("{{ item.q }}")).json()
    path = f"/v1/evals/{run['eval_id']}/runs/{run['id']}"
    assert http.post(path).json()["status"] == "canceled"

    again = create([{"q": "x", "a": "x"}])
    assert wait_for_end(http, again.json())["status"] == "completed"
    assert http.get(path).json()["result_counts"]["total"] == 0


def test_only_what_was_set_is_sent_with_what_extra_body_adds(
    run_sampled: RunSampled, listener: ListeningEndpoint
) -> None:
    params = {"max_completions_tokens": 5, "temperature": 0}
    run_sampled(rows(1), "listen", {"extra_body": {"top_k": 4}}, sampling_params=params)

    assert last_body(listener) == {
        "model": "listen",
        "messages": [{"role": "user", "content": "question 0\nANSWER: a0"}],
        "max_completion_tokens": 5,
        "temperature": 0,
        "top_k": 4,
    }
    headers = listener.requests[-1].headers
    assert headers["x-evalhaven-hop"] == "1"
    assert "authorization" not in headers, "the caller's key is not for others"


def test_an_image_that_only_the_endpoint_knows_loses_its_detail_in_words(run_sampled: RunSampled) -> None:
    image = {"type": "input_image", "file_id": "file-unknown", "detail": "high"}
    run = run_sampled(rows(1), "listen", input_messages=asked("x", image))

    (warning,) = run["evalhaven"]["warnings"]
    assert warning["message"].startswith("Input message 0, part 1: ")
    assert "detail" in warning["message"]


@pytest.mark.parametrize("place", ["beside the model", "sampling_params"])
def test_a_spoken_answer_is_asked_for_and_its_transcript_is_graded(
    http: httpx2.Client, run_sampled: RunSampled, listener: ListeningEndpoint, place: str
) -> None:
    message = {"role": "assistant", "content": None, "audio": {"id": "a", "data": "UklGRg==", "transcript": "a0"}}
    listener.answers["/spoken/chat/completions"] = (
        200, {**chat_reply(""), "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    )  # fmt: skip
    spoken = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    run = run_sampled(rows(1), "spoken", **(spoken if place != "sampling_params" else {place: spoken}))

    assert last_body(listener).items() >= spoken.items()
    assert (run["result_counts"]["passed"], run["evalhaven"]["warnings"]) == (1, [])
    echoed = run["data_source"]
    assert (echoed if place != "sampling_params" else echoed[place]).items() >= spoken.items()
    again = wait_for_end(http, http.post(f"/api/runs/{run['id']}/regrade", json={}).json())
    assert again["result_counts"]["passed"] == 1


def test_what_an_endpoint_lacks_is_adapted_and_said(
    http: httpx2.Client, run_sampled: RunSampled, listener: ListeningEndpoint
) -> None:
    messages = {"type": "template", "template": [{"role": "developer", "content": "{{ item.q }}"}]}
    run = run_sampled(rows(1), "plain", input_messages=messages, sampling_params={"seed": 1})

    assert last_body(listener) == {"model": "plain", "messages": [{"role": "system", "content": "question 0"}]}
    told = " ".join(warning["message"] for warning in run["evalhaven"]["warnings"])
    assert "developer" in told
    assert "seed" in told


def test_an_uploaded_image_is_sent_whole_and_shown_by_its_id(
    http: httpx2.Client, run_sampled: RunSampled, listener: ListeningEndpoint
) -> None:
    upload = http.post("/v1/files", files={"file": ("dot.png", PNG)}, data={"purpose": "vision"})
    assert upload.status_code == 200, upload.text
    file_id = upload.json()["id"]
    messages = asked({"type": "input_text", "text": "What is it?"}, {"type": "input_image", "file_id": "{{ item.f }}"})
    [item] = items_of(http, run_sampled([{"f": file_id}], "listen", input_messages=messages))

    [text, image] = last_body(listener)["messages"][0]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")
    assert item["sample"]["input"] == [{"role": "user", "content": f"What is it? <image>{file_id}</image>"}]


def test_a_trajectory_is_replayed(run_sampled: RunSampled, listener: ListeningEndpoint) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
    ]
    reference = {"type": "item_reference", "item_reference": "item.messages"}
    run = run_sampled([{"messages": messages}], "listen", input_messages=reference)

    assert run["status"] == "completed"
    assert last_body(listener)["messages"] == messages


def test_samples_of_rows_are_ignored_with_a_warning(http: httpx2.Client, run_sampled: RunSampled) -> None:
    row = {"item": {"q": "x", "a": "new"}, "sample": {"output_text": "old"}}
    run = run_sampled([row])

    assert items_of(http, run)[0]["sample"]["output"][0]["content"] == "new"
    [warning] = [each for each in run["evalhaven"]["warnings"] if each["pointer"] == "/data_source/source"]
    assert "ignored" in warning["message"]


def test_bare_rows_are_asked_about_and_tried_again_as_items(http: httpx2.Client, parent: str) -> None:
    bare = [{"q": "x\nANSWER: a0", "a": "a0"}, {"q": "break down", "a": "a1"}]
    data_source = {
        "type": "completions",
        "source": {"type": "file_content", "content": bare},
        "model": "scripted",
        "input_messages": asked("{{ item.q }}"),
    }
    made = http.post(f"/v1/evals/{parent}/runs", json={"data_source": data_source})
    run = wait_for_end(http, made.json())
    assert run["result_counts"] == {"total": 2, "errored": 1, "failed": 0, "passed": 1}

    assert http.post(f"/api/runs/{run['id']}/retry", json={}).status_code == 200
    again = wait_for_end(http, run)
    assert again["evalhaven"]["times_retried"] == 1
    assert again["result_counts"] == run["result_counts"]
    assert [item["datasource_item"] for item in items_of(http, again)] == bare


def test_without_a_model_the_options_of_sampling_are_said_to_have_no_effect(http: httpx2.Client, parent: str) -> None:
    source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {"a": "x"}}]}}
    body = {"data_source": source, "evalhaven": {"repeats": 2, "cache": True, "labels": ["nightly"]}}
    run = wait_for_end(http, http.post(f"/v1/evals/{parent}/runs", json=body).json())

    assert run["result_counts"]["total"] == 1
    # The last one says that the item has no sample for the criterion to look into.
    pointers = [each["pointer"] for each in run["evalhaven"]["warnings"]]
    assert pointers == ["/evalhaven/repeats", "/evalhaven/cache", "/testing_criteria"]
    assert run["evalhaven"]["labels"] == ["nightly"]


def test_secrets_in_tools_are_sent_to_the_model_alone_and_erased(
    http: httpx2.Client, create: Callable[..., httpx2.Response], listener: ListeningEndpoint, sampling_server: Server
) -> None:
    listener.answers["/v1/responses"] = (
        200,
        {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "model": "heard-1",
            "output": [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "t", "annotations": []}],
                }
            ],
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
        },
    )
    tool = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://mcp.example/",
        "authorization": "s3cr3t-token",
        "headers": {"x-key": "s3cr3t-header"},
    }
    made = create(rows(1), "listen", type="responses", sampling_params={"tools": [tool]})
    run = wait_for_end(http, made.json())

    assert last_body(listener)["tools"] == [tool]
    masked = {**tool, "authorization": "***", "headers": {"x-key": "***"}}
    for shown in (made.json(), run):
        assert shown["data_source"]["sampling_params"]["tools"] == [masked]
    assert "s3cr3t" not in sampling_server.log
    for path in (found for each in sampling_server.data_dirs for found in each.rglob("*")):
        if path.is_file():
            assert b"s3cr3t" not in path.read_bytes(), path
