"""What projects and keys may use, at a real server: requests a minute, runs at once, stored bytes, costs."""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import eval_body, inline_source, wait_for_end
from tests.server import Server
from tests.system.access import Keys, client_of, server_with_keys

CONFIG = """
[endpoints.rules]
scripted = true
models = ["priced", "unpriced"]

[[endpoints.rules.prices]]
model = "priced"
input = 1000000.0
output = 1000000.0

[[endpoints.rules.rules]]
when = "^wait$"
latency_ms = 60000
answer = "late"
"""
NO_LIMITS = dict.fromkeys(["requests_per_minute", "concurrent_runs", "stored_bytes", "run_cost", "month_cost"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Keys]]:
    directory = tmp_path_factory.mktemp("limits")
    config = directory / "evalhaven.toml"
    config.write_text(CONFIG)
    with server_with_keys(directory, EVALHAVEN_CONFIG=str(config)) as (server, keys):
        yield server, keys


@pytest.fixture(scope="module")
def operator(served: tuple[Server, Keys]) -> Iterator[httpx2.Client]:
    with client_of(served[0], served[1].organization) as http:
        yield http


@pytest.fixture(scope="module")
def editor(served: tuple[Server, Keys]) -> Iterator[httpx2.Client]:
    with client_of(served[0], served[1].editor) as http:
        yield http


@contextmanager
def _limited(operator: httpx2.Client, **limits: float) -> Generator[dict[str, Any]]:
    """Limit the default project meanwhile."""
    answer = operator.post("/api/limits", json=limits)
    assert answer.status_code == 200, answer.text
    try:
        yield answer.json()
    finally:
        assert operator.post("/api/limits", json=NO_LIMITS).status_code == 200


def _sampled(word: str, model: str = "priced", count: int = 1, **options: Any) -> dict[str, Any]:
    source = {"type": "file_content", "content": [{"item": {"a": word, "b": word}}] * count}
    template = [{"role": "user", "content": "{{ item.a }}"}]
    messages = {"type": "template", "template": template}
    return {
        "data_source": {"type": "completions", "source": source, "model": model, "input_messages": messages},
        "evalhaven": options,
    }


@pytest.fixture(scope="module")
def runs(editor: httpx2.Client) -> str:
    return f"/v1/evals/{editor.post('/v1/evals', json=eval_body()).json()['id']}/runs"


def _refusal(answer: httpx2.Response, code: str) -> dict[str, Any]:
    assert answer.status_code == 429, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    return error


def test_a_key_that_has_made_its_requests_is_told_when_it_may_go_on(
    served: tuple[Server, Keys], operator: httpx2.Client
) -> None:
    made = operator.post("/api/keys", json={"name": "slow", "requests_per_minute": 3}).json()
    assert made["requests_per_minute"] == 3
    with client_of(served[0], made["value"]) as http:
        answers = [http.get("/v1/evals") for _ in range(4)]

        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert [each.headers["x-ratelimit-remaining-requests"] for each in answers] == ["2", "1", "0", "0"]
        assert {each.headers["x-ratelimit-limit-requests"] for each in answers} == {"3"}
        assert all(each.headers["x-ratelimit-reset-requests"].endswith("s") for each in answers)
        error = _refusal(answers[3], "rate_limit_exceeded")
        assert error["type"] == "requests"
        assert "this key may make 3 requests a minute" in error["message"]
        assert 1 <= int(answers[3].headers["retry-after"]) <= 20
        assert answers[3].headers["x-should-retry"] == "true"
        # Errors, too, tell what is left.
        changed = operator.post(f"/api/keys/{made['id']}", json={"requests_per_minute": 60_000})
        assert changed.json()["requests_per_minute"] == 60_000
        assert http.get("/v1/evals/eval_none").status_code in (404, 429)
    operator.post(f"/api/keys/{made['id']}", json={"requests_per_minute": 1})
    with openai.OpenAI(api_key=made["value"], base_url=f"{served[0].url}/v1", max_retries=0) as sdk:
        sdk.evals.list()
        with pytest.raises(openai.RateLimitError):
            sdk.evals.list()


def test_all_keys_of_a_project_share_its_requests_and_other_projects_have_their_own(
    served: tuple[Server, Keys], operator: httpx2.Client
) -> None:
    server, keys = served
    with (
        client_of(server, keys.viewer) as viewer,
        client_of(server, keys.editor) as other,
        client_of(server, keys.foreign) as foreign,
        _limited(operator, requests_per_minute=2),
    ):
        statuses = [viewer.get("/v1/evals").status_code, other.get("/v1/evals").status_code]
        refused = viewer.get("/v1/evals")

        assert statuses == [200, 200]
        assert "this project may make 2 requests a minute" in _refusal(refused, "rate_limit_exceeded")["message"]
        answer = foreign.get("/v1/evals")
        assert answer.status_code == 200
        assert "x-ratelimit-limit-requests" not in answer.headers


def test_a_run_beyond_the_runs_at_once_is_refused_until_one_ends(
    editor: httpx2.Client, operator: httpx2.Client, runs: str
) -> None:
    with _limited(operator, concurrent_runs=1):
        first = editor.post(runs, json=_sampled("wait")).json()
        error = _refusal(editor.post(runs, json={"data_source": inline_source()}), "concurrent_runs_exceeded")
        used = operator.get("/api/limits").json()["used"]
        editor.post(f"{runs}/{first['id']}/cancel")
        after = editor.post(runs, json={"data_source": inline_source()})

    assert (error["type"], error["param"]) == ("insufficient_quota", None)
    assert "queued or under way: 1, of 1 allowed at once" in error["message"]
    assert used["concurrent_runs"] == 1
    assert wait_for_end(editor, after.json())["status"] == "completed"


def test_what_finds_no_room_is_refused_before_it_is_stored(
    editor: httpx2.Client, operator: httpx2.Client, runs: str
) -> None:
    stored = operator.get("/api/limits").json()["used"]["stored_bytes"]
    form = {"purpose": "evals"}
    with _limited(operator, stored_bytes=stored + 5_000):
        refused = editor.post("/v1/files", files={"file": ("a.jsonl", b"x" * 6_000)}, data=form)
        upload = {"filename": "a", "bytes": 6_000, "purpose": "evals", "mime_type": "text/jsonl"}
        announced = editor.post("/v1/uploads", json=upload)
        rows = [{"item": {"a": "x" * 6_000, "b": "y"}}]
        inline = editor.post(runs, json={"data_source": inline_source(rows)})
        small = editor.post("/v1/files", files={"file": ("a.jsonl", b"x" * 3_000)}, data=form)
        full = editor.post("/v1/files", files={"file": ("a.jsonl", b"x" * 3_000)}, data=form)
        document = {"id": "file-imported", "object": "file", "bytes": 3_000, "created_at": 1, "filename": "a.jsonl"}
        imported = editor.post(
            "/api/import/files",
            params={"origin": "elsewhere"},
            data={"document": json.dumps({**document, "purpose": "evals"})},
            files={"file": ("a.jsonl", b"x" * 3_000)},
        )
        measured = operator.get("/api/limits").json()["used"]["stored_bytes"]

    for answer, param in ((refused, "file"), (announced, "bytes"), (inline, "data_source.source.content")):
        error = _refusal(answer, "storage_limit_exceeded")
        assert error["param"] == param
        assert "Delete files or runs" in error["message"]
    assert small.status_code == 200
    assert _refusal(full, "storage_limit_exceeded")
    assert _refusal(imported, "storage_limit_exceeded")
    assert measured == stored + 3_000


def test_a_run_may_cost_no_more_than_a_run_of_its_project_may(
    editor: httpx2.Client, operator: httpx2.Client, runs: str
) -> None:
    with _limited(operator, run_cost=20):
        asked = _sampled("one", count=200, max_concurrency=1, budget={"cost": 10_000})
        ended = wait_for_end(editor, editor.post(runs, json=asked).json())
        unpriced = editor.post(runs, json=_sampled("one", "unpriced"))
        free = editor.post(runs, json=_sampled("one", "scripted"))

    assert free.status_code == 201, free.text
    assert ended["error"]["code"] == "budget_exceeded"
    assert ended["evalhaven"]["budget"]["cost"] == 20
    assert [each["pointer"] for each in ended["evalhaven"]["warnings"]] == ["/evalhaven/budget/cost"]
    assert unpriced.status_code == 400
    assert unpriced.json()["error"]["message"].endswith("limit on costs, which holds for each of its runs.")


def test_the_month_counts_deleted_runs_and_stops_those_that_call_models(
    editor: httpx2.Client, operator: httpx2.Client, runs: str
) -> None:
    run = wait_for_end(editor, editor.post(runs, json=_sampled("one", count=3)).json())
    spent = operator.get("/api/limits").json()["used"]["month_cost"]
    assert spent > 0
    assert editor.delete(f"{runs}/{run['id']}").status_code == 200

    with _limited(operator, month_cost=spent):
        error = _refusal(editor.post(runs, json=_sampled("one")), "insufficient_quota")
        free = editor.post(runs, json={"data_source": inline_source()})
    with _limited(operator, month_cost=spent + 1000):
        unpriced = editor.post(runs, json=_sampled("one", "unpriced"))
        warned = editor.post(runs, json=_sampled("wait", budget={"tokens": 5})).json()
        editor.post(f"{runs}/{warned['id']}/cancel")

    assert unpriced.status_code == 400
    assert "$1,000.00 is left, for all of its runs" in warned["evalhaven"]["warnings"][0]["message"]
    assert warned["evalhaven"]["budget"] == {"cost": None, "tokens": 5}
    assert "have cost" in error["message"]
    assert wait_for_end(editor, free.json())["status"] == "completed"
    assert operator.get("/api/limits").json()["used"]["month_cost"] == pytest.approx(spent)


def test_a_grader_run_alone_counts_for_the_month_and_is_refused_when_that_is_spent(
    editor: httpx2.Client, operator: httpx2.Client
) -> None:
    message = {"role": "user", "content": "Rate it."}
    judge = {"type": "score_model", "name": "judge", "model": "priced", "input": [message]}
    alone = {"grader": {"type": "multi", "name": "all", "graders": {"a": judge}, "calculate_output": "a"}}
    free = {"type": "string_check", "name": "b", "input": "a", "reference": "a", "operation": "eq"}
    path = "/v1/fine_tuning/alpha/graders/run"
    before = operator.get("/api/limits").json()["used"]["month_cost"]
    assert editor.post(path, json={**alone, "model_sample": ""}).status_code == 200
    spent = operator.get("/api/limits").json()["used"]["month_cost"]
    assert spent > before

    with _limited(operator, month_cost=spent):
        refused = editor.post(path, json={**alone, "model_sample": ""})
        graded = editor.post(path, json={"grader": free, "model_sample": ""})

    assert "have cost" in _refusal(refused, "insufficient_quota")["message"]
    assert graded.json()["reward"] == 1.0
    assert operator.get("/api/limits").json()["used"]["month_cost"] == spent


def test_an_admin_of_the_project_sees_limits_and_cannot_raise_them(served: tuple[Server, Keys]) -> None:
    with client_of(served[0], served[1].admin) as http:
        assert http.get("/api/limits").json()["object"] == "project.limits"
        refused = http.post("/api/limits", json={"run_cost": 1e9})

    assert refused.status_code == 403
