"""Facts about both clients against a real server, and against what is none or breaks off."""

import csv
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from evalhaven.client import (
    AsyncClient,
    Client,
    ClientError,
    NotFoundError,
    NotReadyError,
    RefusedError,
    RunDeletedError,
    ServerFailedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from evalhaven.wire.gates import GatePolicy
from tests.contract.conftest import string_check, wait_for_end
from tests.loopback_server import LoopbackServer
from tests.server import SLOW_MODEL, Server

SAYS = string_check(name="right", input="{{ sample.output_text }}", reference="{{ item.b }}")
PROGRESS_KEYS = ("queued", "in_progress", "completed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("client")).running() as running:
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def haven(server: Server) -> Iterator[Client]:
    with Client(server.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def runs(http: httpx2.Client) -> tuple[str, list[str]]:
    """Return an eval and two runs of it: 20 of 30 items pass the first, and 25 the second."""
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    body = {"name": "Letters", "data_source_config": config, "testing_criteria": [SAYS]}
    parent = http.post("/v1/evals", json=body).json()["id"]

    def run(name: str, right: int) -> str:
        rows = [
            {"item": {"n": n, "b": "x", "more": [n]}, "sample": {"output_text": "x" if n < right else "y"}}
            for n in range(30)
        ]
        source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
        return wait_for_end(
            http, http.post(f"/v1/evals/{parent}/runs", json={"name": name, "data_source": source}).json()
        )["id"]

    return parent, [run("first", 20), run("second", 25)]


def slow_run(http: httpx2.Client, parent: str, items: int) -> str:
    """Return a run that takes a while."""
    source = {
        "type": "completions",
        "model": SLOW_MODEL,
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]},
        "source": {"type": "file_content", "content": [{"item": {"n": n, "b": "Yes."}} for n in range(items)]},
    }
    made = http.post(f"/v1/evals/{parent}/runs", json={"data_source": source})
    assert made.status_code == 201, made.text
    return made.json()["id"]


def test_figures_come_back_as_typed_objects(haven: Client, runs: tuple[str, list[str]]) -> None:
    parent, (first, second) = runs
    report, comparison = haven.report(second, by="b", k=[1]), haven.compare(second, base=first, margin=0.1)
    (one,) = comparison.comparisons

    assert (report.rate.value, report.criteria[0].name) == (25 / 30, "right")
    assert (one.counts.fixed, one.counts.passed, one.counts.failed) == (5, 20, 5)
    assert haven.gate(second, {"margin": 0.1}).outcome == "pass"
    assert haven.gate(first, GatePolicy(threshold=0.99), baseline="none").exit_status == 1
    assert haven.gate(first, {"margin": 0.01}, baseline=second).outcome == "fail"
    assert haven.plan(parent, difference=0.05).plans[0].difference is not None
    assert [each.id for each in haven.versions(parent).data] == [parent]
    assert [each.name for each in haven.runs(eval=parent, status=["completed"])] == ["second", "first"]
    assert (haven.run(second).name, haven.run(second).result_counts.passed) == ("second", 25)
    changed = list(haven.compared_items(second, base=first, change=["fixed"]))
    assert [each.candidate[0].datasource_item_id for each in changed] == list(range(20, 25))


def test_objects_of_the_sdk_stand_for_their_ids(haven: Client, server: Server, runs: tuple[str, list[str]]) -> None:
    parent, (first, _) = runs
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as sdk:
        run = sdk.evals.runs.retrieve(first, eval_id=parent)

    assert haven.report(run).run_id == first


def test_a_pinned_run_is_the_baseline_until_it_is_unpinned(haven: Client, runs: tuple[str, list[str]]) -> None:
    _, (first, second) = runs
    pinned = haven.pin(second)
    try:
        assert (pinned.pinned, haven.compare(first).chosen) == (True, "pinned")
    finally:
        assert haven.unpin(second).pinned is False
    assert haven.compare(first).chosen == "none"


def test_a_run_is_regraded_watched_to_its_end_and_retried(
    haven: Client, http: httpx2.Client, runs: tuple[str, list[str]]
) -> None:
    parent, (first, _) = runs
    criteria = [{**SAYS, "operation": "ne"}]
    made = haven.regrade(
        first, testing_criteria=criteria, name="anew", evalhaven={"labels": ["l"]}, idempotency_key="k"
    )
    again = haven.regrade(
        first, testing_criteria=criteria, name="anew", evalhaven={"labels": ["l"]}, idempotency_key="k"
    )

    assert again.id == made.id
    ended = haven.wait(made)
    assert (ended.status, ended.name, ended.result_counts.passed) == ("completed", "anew", 10)
    assert haven.retry(made).status == "completed"
    seen = list(haven.watch(slow_run(http, parent, 60)))
    assert (seen[-1].status, seen[-1].passed) == ("completed", 60)
    assert [each.items for each in seen] == sorted(each.items for each in seen)
    assert {each.status for each in seen} <= set(PROGRESS_KEYS)


def test_waiting_for_a_run_that_is_deleted_ends(
    haven: Client, http: httpx2.Client, runs: tuple[str, list[str]]
) -> None:
    parent, _ = runs
    run = slow_run(http, parent, 4_000)

    watched = haven.watch(run)
    assert next(watched).run_id == run
    http.delete(f"/v1/evals/{parent}/runs/{run}")
    with pytest.raises(RunDeletedError, match=run):
        list(watched)


def test_items_are_rows_frames_and_files(haven: Client, runs: tuple[str, list[str]], tmp_path: Path) -> None:
    _, (_, second) = runs
    failed = haven.items(second, status="fail")
    pandas, polars = haven.items(second, columns="*,item.more").to_pandas(), haven.items(second).to_polars()

    assert [(row["datasource_item_id"], row["results.right.passed"]) for row in failed] == [
        (n, False) for n in range(25, 30)
    ]
    assert (len(pandas), polars.height) == (30, 30)
    for name, values in {
        "results.right.passed": [True] * 25 + [False] * 5,
        "item.n": [*range(30)],
        "output_text": ["x"] * 25 + ["y"] * 5,
    }.items():
        assert (pandas[name].tolist(), polars[name].to_list()) == (values, values)
    assert pandas["item.more"].tolist() == [f"[{n}]" for n in range(30)]
    path = haven.export(second, tmp_path / "items.csv", columns=["item.n", "status"], status=["fail"])
    assert list(csv.reader(path.read_text().splitlines())) == [
        ["item.n", "status"],
        *([str(n), "fail"] for n in range(25, 30)),
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["items.csv"]


def test_a_frame_without_rows_has_its_columns(haven: Client, runs: tuple[str, list[str]]) -> None:
    nothing = haven.items(runs[1][0], status="error")

    assert list(nothing.to_pandas().columns) == nothing.to_polars().columns
    assert {"status", "score", "item.n"} <= set(nothing.to_polars().columns)


def test_a_refusal_is_an_error_with_its_place_and_its_cure(
    haven: Client, runs: tuple[str, list[str]], tmp_path: Path
) -> None:
    _, (first, _) = runs
    with pytest.raises(NotFoundError) as missing:
        haven.report("evalrun_none")
    with pytest.raises(RefusedError) as refused:
        haven.gate(first, {"margn": 0.1})
    with pytest.raises(RefusedError, match="no column"):
        haven.export(first, tmp_path / "x.csv", columns="colour")
    with pytest.raises(NotFoundError):
        list(haven.watch("evalrun_none"))

    assert (missing.value.status, missing.value.code, missing.value.param) == (404, "not_found", "run_id")
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, "invalid_value", "margn")
    assert "Did you mean 'margin'?" in refused.value.message == str(refused.value)
    assert list(tmp_path.iterdir()) == []


async def test_the_asynchronous_client_does_the_same(
    server: Server, http: httpx2.Client, runs: tuple[str, list[str]], tmp_path: Path
) -> None:
    parent, (first, second) = runs

    async def listed(items: AsyncIterator[Any]) -> list[Any]:
        return [each async for each in items]

    async with AsyncClient(server.url) as haven:
        assert (await haven.report(second)).rate.value == 25 / 30
        assert (await haven.gate(second, {"margin": 0.1}, baseline=first)).outcome == "pass"
        assert len(await listed(haven.compared_items(second, base=first, change="fixed"))) == 5
        assert {"first", "second"} <= {each.name for each in await listed(haven.runs(eval=parent))}
        assert (await haven.wait(slow_run(http, parent, 8))).result_counts.passed == 8
        items = haven.items(second, failed="right")
        assert [row["item.n"] async for row in items] == (await items.to_pandas())["item.n"].tolist()
        assert (await items.to_polars()).height == 5
        path = await haven.export(second, tmp_path / "items.jsonl", status="fail")
        assert len(path.read_text().splitlines()) == 5
        with pytest.raises(NotFoundError):
            await haven.report("evalrun_none")


class OddServer(LoopbackServer):
    """Gives each request the next answer: a status, headers and a body; None closes the connection."""

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        super().__init__()
        self.answers = list(answers)
        self.keys: list[str | None] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.keys.append(handler.headers.get("authorization"))
        found = self.answers.pop(0)
        handler.close_connection = True
        if found is None:
            return
        status, body = found
        handler.send_response(status)
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(body.encode())


def error(code: str) -> str:
    """Return an answer that is an error."""
    return json.dumps({"error": {"message": "Not now.", "type": "t", "param": None, "code": code}})


PINNED = json.dumps({"eval_id": "eval_1", "run_id": "evalrun_1", "pinned": True})


def event(status: str, name: str, haven: Client, run: str) -> str:
    """Return an event of a run, as a server sends it, with another status."""
    last = [*haven.watch(run)][-1].model_dump()
    return f": beat\nevent: {name}\ndata: {json.dumps({**last, 'status': status})}\n\n"


def test_what_is_still_prepared_is_asked_for_again_until_patience_ends() -> None:
    not_ready = (400, error("report_not_ready"))
    with OddServer(not_ready, not_ready, (200, PINNED)) as odd, Client(odd.url) as haven:
        assert haven.pin("evalrun_1").pinned
    with (
        OddServer(not_ready) as odd,
        Client(odd.url, patience_s=0.0) as haven,
        pytest.raises(NotReadyError, match="Not now"),
    ):
        haven.pin("evalrun_1")


def test_a_lost_stream_of_events_is_begun_again(haven: Client, runs: tuple[str, list[str]]) -> None:
    going, ended = (
        event(status, name, haven, runs[1][0]) for status, name in (("in_progress", "progress"), ("completed", "end"))
    )
    with (
        OddServer((200, going), None, (503, error("database_unavailable")), (200, ended)) as odd,
        Client(odd.url) as other,
    ):
        assert [each.status for each in other.watch("evalrun_1")] == ["in_progress", "completed"]
    with (
        OddServer((200, going), None) as odd,
        Client(odd.url, patience_s=0.0) as other,
        pytest.raises(UnreachableError),
    ):
        list(other.watch("evalrun_1"))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, "<html>"), UnexpectedAnswerError),
        ((302, "{}"), UnexpectedAnswerError),
        ((200, "{}"), UnexpectedAnswerError),
        ((500, error("internal")), ServerFailedError),
        ((403, error("foreign_origin")), RefusedError),
        (None, UnreachableError),
    ],
)
def test_what_is_no_answer_is_told_apart(answer: tuple[int, str] | None, kind: type[ClientError]) -> None:
    with OddServer(answer) as odd, Client(odd.url) as haven, pytest.raises(kind):
        haven.pin("evalrun_1")


def test_rows_of_what_is_not_evalhaven_are_refused() -> None:
    with OddServer((200, "<html>\n")) as odd, Client(odd.url) as haven, pytest.raises(UnexpectedAnswerError):
        list(haven.items("evalrun_1"))


@pytest.mark.parametrize(
    ("environment", "given", "key"),
    [
        ({"EVALHAVEN_URL": "{}/", "EVALHAVEN_API_KEY": "a", "OPENAI_API_KEY": "b"}, None, "Bearer a"),
        ({"OPENAI_BASE_URL": "{}/v1", "EVALHAVEN_API_KEY": "a", "OPENAI_API_KEY": "b"}, None, "Bearer b"),
        ({"EVALHAVEN_URL": "{}", "OPENAI_API_KEY": "b"}, None, None),
        ({"EVALHAVEN_URL": "{}", "EVALHAVEN_API_KEY": "a"}, "c", "Bearer c"),
    ],
)
def test_server_and_key_come_from_the_environment_together(
    environment: dict[str, str],
    given: str | None,
    key: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OddServer((200, PINNED)) as odd:
        for name in ("EVALHAVEN_URL", "EVALHAVEN_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value.format(odd.url))
        with Client(api_key=given) as haven:
            haven.pin("evalrun_1")

    assert odd.keys == [key]


def test_without_an_address_the_client_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVALHAVEN_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ClientError, match="EVALHAVEN_URL"):
        Client()
    with pytest.raises(ClientError, match="no address"):
        Client("localhost:8765")


@dataclass
class Stranger:
    id: str


def test_an_id_never_leads_to_another_address(haven: Client) -> None:
    with pytest.raises(NotFoundError, match="settings"):
        haven.report(Stranger("../settings"))
