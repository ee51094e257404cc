"""Runs over logged calls through the API: from a call to its grade, as stored and sampled anew."""

import json
import time
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest

from tests.contract.conftest import FINAL, MakeEval, MakeRun, RunToEnd, items_of, string_check

COMPLETIONS: dict[str, Any] = {"type": "stored_completions"}
AGAIN = {"model": "m", "input_messages": {"type": "item_reference", "item_reference": "item.input"}}


@pytest.fixture
def suite() -> str:
    return uuid4().hex


def says_yes() -> dict[str, Any]:
    return string_check(input="{{ sample.output_text }}", reference="Yes")


def ask(client: openai.OpenAI, suite: str, answer: str, **metadata: str) -> str:
    """Have a chat completion stored and return its id."""
    messages: Any = [{"role": "developer", "content": "Judge."}, {"role": "user", "content": f"So? ANSWER: {answer}"}]
    made = client.chat.completions.create(
        model="scripted", messages=messages, store=True, metadata={"suite": suite, **metadata}
    )
    # Another server finds it only once it is stored, so that calls are stored in the order in which they were made.
    client.chat.completions.retrieve(made.id)
    return made.id


@pytest.mark.parametrize("config", ["logs", "stored_completions"])
def test_calls_made_just_now_are_graded_and_replayed(
    client: openai.OpenAI, http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, suite: str, config: str
) -> None:
    for answer, version in (("Yes", "1"), ("No", "1"), ("Yes", "2"), ("Yes", "1")):
        ask(client, suite, answer, version=version)
    parent = make_eval(data_source_config={"type": config, "metadata": {"suite": suite}}, testing_criteria=[says_yes()])
    source = {**COMPLETIONS, "metadata": {"version": "1"}}
    stored = run_to_end(parent, data_source={"type": "completions", "source": source})
    replayed = run_to_end(parent, data_source={"type": "completions", "source": source, **AGAIN})

    for run in (stored, replayed):
        assert (run["status"], run["error"]) == ("completed", None)
        assert run["result_counts"] == {"total": 3, "passed": 2, "failed": 1, "errored": 0}
    assert (stored["model"], stored["per_model_usage"]) == ("", [])
    assert [row["invocation_count"] for row in replayed["per_model_usage"]] == [3]
    pairs = list(zip(items_of(http, stored), items_of(http, replayed), strict=True))
    assert [one["sample"]["output"][0]["content"] for one, _ in pairs] == ["Yes", "No", "Yes"]
    for one, other in pairs:
        assert one["datasource_item"] == other["datasource_item"]
        assert one["evalhaven"]["item_hash"] == other["evalhaven"]["item_hash"]
        assert one["sample"]["input"] == other["sample"]["input"]
        assert one["sample"]["output"] == other["sample"]["output"]
        assert [message["role"] for message in one["datasource_item"]["input"]] == ["developer", "user"]


def test_a_run_echoes_its_source_with_metadata_of_any_type(
    make_eval: MakeEval, make_run: MakeRun, http: httpx2.Client
) -> None:
    metadata = {"n": 1.5, "b": True, "none": None, "list": [{"a": []}]}
    parent = make_eval(data_source_config={"type": "logs", "metadata": metadata})
    source = {**COMPLETIONS, "metadata": metadata, "limit": 3}
    run = make_run(parent, data_source={"type": "completions", "source": source})

    assert parent["data_source_config"]["metadata"] == metadata
    assert run["data_source"]["source"] == source
    assert run["evalhaven"]["warnings"] == []


def test_a_template_that_no_logged_call_can_fill_is_warned_of(make_eval: MakeEval, make_run: MakeRun) -> None:
    messages = [{"role": "user", "content": "{{ item.question }} {{ item.input[0].content }}"}]
    asks = {"model": "m", "input_messages": {"type": "template", "template": messages}}
    run = make_run(
        make_eval(data_source_config={"type": "logs"}),
        data_source={"type": "completions", "source": COMPLETIONS, **asks},
    )
    [warning] = run["evalhaven"]["warnings"]

    assert warning["pointer"] == "/data_source/input_messages/template/0/content"
    assert "'question'" in warning["message"]
    assert "input, metadata" in warning["message"]


def test_a_run_over_logs_can_be_graded_again_and_retried(
    client: openai.OpenAI, http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, suite: str
) -> None:
    for answer in ("Yes", "No"):
        ask(client, suite, answer)
    parent = make_eval(data_source_config={"type": "logs", "metadata": {"suite": suite}}, testing_criteria=[says_yes()])
    run = run_to_end(parent, data_source={"type": "completions", "source": COMPLETIONS})
    answer = http.post(f"/api/runs/{run['id']}/regrade", json={})
    assert answer.status_code == 201, answer.text
    again = answer.json()
    while again["status"] not in FINAL:
        again = http.get(f"/v1/evals/{again['eval_id']}/runs/{again['id']}").json()

    assert again["result_counts"] == run["result_counts"] == {"total": 2, "passed": 1, "failed": 1, "errored": 0}
    assert [item["datasource_item"] for item in items_of(http, again)] == [
        item["datasource_item"] for item in items_of(http, run)
    ]


def test_calls_that_came_from_elsewhere_are_listed_graded_and_replayed(
    client: openai.OpenAI, http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, suite: str
) -> None:
    now, lines = int(time.time()) - 60, list[bytes]()
    for number, answer in enumerate(("Yes", "No", "Yes")):
        message = {"role": "assistant", "content": answer, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        reply = {"id": f"chatcmpl-{suite}-{number}", "object": "chat.completion", "created": now + number}
        asked = {"model": "scripted", "messages": [{"role": "user", "content": f"So? ANSWER: {answer}"}]}
        call = {"request": asked, "reply": {**reply, "model": "m", "choices": [choice]}}
        lines.append(json.dumps({**call, "metadata": {"suite": suite, "n": number, "tags": ["a"]}}).encode() + b"\n")
    taken = http.post("/api/logs", content=b"".join(lines))
    assert (taken.status_code, taken.json()["stored"]) == (200, 3), taken.text
    listed = list(client.chat.completions.list(metadata={"suite": suite}))
    parent = make_eval(data_source_config={"type": "logs", "metadata": {"suite": suite}}, testing_criteria=[says_yes()])
    stored = run_to_end(parent, data_source={"type": "completions", "source": COMPLETIONS})
    source = {**COMPLETIONS, "metadata": {"n": 1, "tags": ["a"]}}
    replayed = run_to_end(parent, data_source={"type": "completions", "source": source, **AGAIN})

    assert [each.id for each in listed] == [f"chatcmpl-{suite}-{number}" for number in (2, 1, 0)]
    assert stored["result_counts"] == {"total": 3, "passed": 2, "failed": 1, "errored": 0}
    [item] = items_of(http, replayed)
    assert (item["datasource_item"]["id"], item["status"]) == (f"chatcmpl-{suite}-1", "fail")
