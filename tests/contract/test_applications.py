"""Runs whose model is an application: its items, its errors, what it spends, and what refuses to call it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import NewServer, items_of, refusal_of, string_check, wait_for_end
from tests.databases import TemporaryDatabase
from tests.listening_endpoint import ListeningEndpoint
from tests.server import variables_for
from tests.system.commands import call_command

CONFIG = """
[endpoints.app]
protocol = "item"
command = ["{python}", "-S", "app.py"]

[endpoints.service]
protocol = "item"
url = "{url}/answer"
models = ["service"]
prices = [{{ model = "service", input = 1000000, output = 2000000 }}]
"""
PROGRAM = """import json, sys
item = json.load(sys.stdin)["item"]
if item["a"] == "broken":
    sys.exit("It has no answer.")
print(json.dumps({"output_text": item["a"].upper(), "documents": [item["a"]], "cost": 0.25}))
"""
CRITERIA = [
    string_check(name="text", input="{{ sample.output_text }}", reference="{{ item.b }}"),
    string_check(name="documents", input="{{ sample.documents }}", reference='["{{ item.a }}"]'),
]
ITEMS = [{"a": "x", "b": "X"}, {"a": "y", "b": "Z"}, {"a": "broken", "b": "W"}]
Create = Callable[..., httpx2.Response]


@pytest.fixture(scope="module")
def service() -> Iterator[ListeningEndpoint]:
    with ListeningEndpoint() as endpoint:
        endpoint.answers["/answer"] = (200, {"output_text": "X", "usage": {"prompt_tokens": 2, "completion_tokens": 1}})
        yield endpoint


@pytest.fixture(scope="module")
def http(
    tmp_path_factory: pytest.TempPathFactory,
    temporary_database: TemporaryDatabase,
    new_server: NewServer,
    service: ListeningEndpoint,
) -> Iterator[httpx2.Client]:
    directory = tmp_path_factory.mktemp("applications")
    (directory / "app.py").write_text(PROGRAM)
    config = directory / "evalhaven.toml"
    config.write_text(CONFIG.format(python=sys.executable, url=service.url))
    with (
        temporary_database() as database_url,
        new_server(directory, database_url, EVALHAVEN_CONFIG=str(config), EVALHAVEN_GATEWAY="on").running() as server,
        httpx2.Client(base_url=server.url, headers=server.headers, timeout=60) as opened,
    ):
        yield opened
        for sign in ("request_failed_unexpectedly", "run_failed_unexpectedly", "executor_died", "Traceback"):
            assert sign not in server.log


def _variables(http: httpx2.Client) -> dict[str, str]:
    """Return those by which commands find the server."""
    key = http.headers.get("authorization", "").removeprefix("Bearer ")
    return variables_for(str(http.base_url), key or None)


@pytest.fixture(scope="module")
def create(http: httpx2.Client) -> Create:
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    parent = http.post("/v1/evals", json={"data_source_config": config, "testing_criteria": CRITERIA}).json()["id"]

    def send(model: str, template: list[Any] | None = None, **options: Any) -> httpx2.Response:
        data_source = {
            "type": "completions",
            "model": model,
            "source": {"type": "file_content", "content": [{"item": item} for item in ITEMS]},
            "input_messages": {"type": "template", "template": template or []},
        }
        return http.post(f"/v1/evals/{parent}/runs", json={"data_source": data_source, "evalhaven": options})

    return send


@pytest.fixture(scope="module")
def run(http: httpx2.Client, create: Create) -> dict[str, Any]:
    answer = create("app")
    assert answer.status_code == 201, answer.text
    return wait_for_end(http, answer.json())


def test_a_run_evaluates_an_application_item_by_item(http: httpx2.Client, run: dict[str, Any]) -> None:
    assert run["result_counts"] == {"total": 3, "passed": 1, "failed": 1, "errored": 1}
    first, second, broken = items_of(http, run)

    assert first["sample"]["output"] == [{"role": "assistant", "content": "X"}]
    assert [result["passed"] for result in first["results"]] == [True, True]
    assert [result["passed"] for result in second["results"]] == [False, True]
    assert first["evalhaven"]["sample"] == {"documents": ["x"]}
    error = broken["sample"]["error"]
    assert (error["code"], error["message"]) == (
        "command_failed",
        "the command ended with status 1: It has no answer.",
    )


def test_what_an_application_says_it_spent_is_the_cost_of_the_run(run: dict[str, Any]) -> None:
    assert run["evalhaven"]["cost"]["target"] == 0.5


def test_answers_of_an_application_can_be_graded_again(http: httpx2.Client, run: dict[str, Any]) -> None:
    answer = http.post(f"/api/runs/{run['id']}/regrade", json={})
    assert answer.status_code in (200, 201), answer.text
    again = wait_for_end(http, answer.json())

    assert again["result_counts"] == run["result_counts"]
    assert [item["results"] for item in items_of(http, again)] == [item["results"] for item in items_of(http, run)]


def test_an_application_over_http_is_counted_and_priced_like_a_model(
    http: httpx2.Client, create: Create, service: ListeningEndpoint
) -> None:
    run = wait_for_end(http, create("service", [{"role": "user", "content": "{{ item.a }}?"}]).json())

    assert run["per_model_usage"][0]["total_tokens"] == 9
    assert run["evalhaven"]["cost"]["target"] == 3 * 4.0
    assert items_of(http, run)[0]["sample"]["input"] == [{"role": "user", "content": "x?"}]
    assert service.requests[-1].headers["x-evalhaven-hop"] == "1"


def test_a_run_that_takes_old_answers_is_warned_that_code_changes(create: Create) -> None:
    warnings = create("app", cache=True).json()["evalhaven"]["warnings"]

    assert [warning["pointer"] for warning in warnings] == ["/evalhaven/cache"]
    assert "taken again even if its code has changed since" in warnings[0]["message"]


def test_a_budget_in_dollars_needs_a_price_of_an_application_too(create: Create) -> None:
    error = refusal_of(create("app", budget={"cost": 1.0}))

    assert error["param"] == "evalhaven.budget.cost"
    assert "Add one (of 0 if the application reports its `cost`) to its table 'prices'" in error["message"]


def test_a_judge_that_is_an_application_is_refused_where_it_is_named(http: httpx2.Client) -> None:
    judge = {"type": "score_model", "name": "judge", "model": "app", "input": [{"role": "user", "content": "Good?"}]}
    config = {"type": "custom", "item_schema": {"type": "object"}}
    parent = http.post("/v1/evals", json={"data_source_config": config, "testing_criteria": [judge]}).json()
    source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {}}]}}
    error = refusal_of(http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": source}))

    assert error["code"] == "unsupported"
    assert error["message"].endswith(
        "'app' is an application (endpoint 'app'), which answers items. Judges ask models: name one."
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/responses", {"input": "x"}),
        ("/v1/embeddings", {"input": "x"}),
    ],
)
def test_the_gateway_passes_nothing_to_an_application(http: httpx2.Client, path: str, body: dict[str, Any]) -> None:
    error = http.post(path, json={"model": "app", **body}).json()["error"]

    assert (error["param"], error["code"]) == ("model", "unsupported_model")
    assert error["message"].startswith("Endpoint 'app' is an application, which answers the items of runs.")


def test_an_eval_file_names_an_application_and_needs_no_prompt(http: httpx2.Client, tmp_path: Path) -> None:
    file = tmp_path / "eval.json"
    document = {"name": "of a file", "data": ITEMS[:2], "models": ["app", "service"], "testing_criteria": CRITERIA[:1]}
    file.write_text(json.dumps(document))
    done = call_command("run", str(file), "--json", directory=None, **_variables(http))
    variants = {each["variant"]: each["passed"] for each in json.loads(done.stdout)["runs"]}

    assert variants == {"app": 1, "service": 1}


def test_a_model_is_not_asked_without_messages(http: httpx2.Client, tmp_path: Path) -> None:
    file = tmp_path / "eval.json"
    document = {"name": "of a model", "data": ITEMS, "models": ["scripted"], "testing_criteria": CRITERIA[:1]}
    file.write_text(json.dumps(document))
    done = call_command("run", str(file), directory=None, **_variables(http))

    assert done.returncode == 64
    assert "Only an application is sent the item without them." in " ".join(done.stderr.split())


def test_the_list_of_endpoints_names_the_program_and_no_argument(http: httpx2.Client) -> None:
    app, service, *_ = http.get("/api/models").json()["data"]

    assert (app["program"], app["protocols"], app["models"]) == (sys.executable, ["item"], ["app"])
    assert (service["program"], service["protocols"]) == (None, ["item"])
