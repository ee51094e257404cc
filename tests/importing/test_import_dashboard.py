"""`evalhaven import dashboard`: results exports become evals whose outputs can be graded again."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.contract.conftest import file_source, items_of, wait_for_end
from tests.databases import TemporaryDatabase
from tests.importing.moving import Json, run_import, stored_rows
from tests.server import Server
from tests.unit.importers.test_dashboard_files import EARLY, LATE, ROWS, lines


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "results.jsonl"
    path.write_text(lines(ROWS))
    return path


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, export: Path, temporary_database: TemporaryDatabase
) -> Iterator[Server]:
    with temporary_database() as url, Server(tmp_path_factory.mktemp("server"), url).running() as running:
        outcome = run_import("dashboard", export, "--name", "Tone", "--data-dir", running.data_dir)
        assert outcome.status == 0, outcome
        assert outcome.counts["output items"] == (6, 0, 0)
        assert outcome.counts["files"] == (2, 0, 0)
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as opened:
        yield opened


def the_eval(http: httpx2.Client) -> Json:
    (found,) = [each for each in http.get("/v1/evals").json()["data"] if "imported" in each["evalhaven"]]
    return found


def runs_of(http: httpx2.Client) -> dict[str, Json]:
    return {run["id"]: run for run in http.get(f"/v1/evals/{the_eval(http)['id']}/runs").json()["data"]}


def test_an_export_becomes_an_eval_with_its_runs(http: httpx2.Client) -> None:
    runs = runs_of(http)

    assert the_eval(http)["name"] == "Tone"
    assert the_eval(http)["evalhaven"] == {"imported": {"origin": "results export results.jsonl"}}
    assert runs.keys() == {EARLY, LATE}
    assert runs[LATE]["result_counts"] == {"total": 3, "errored": 0, "failed": 1, "passed": 2}
    for run in runs.values():
        counts = [len(items_of(http, run, status=status)) for status in ("pass", "fail", "error")]
        assert counts == [run["result_counts"][key] for key in ("passed", "failed", "errored")]
        report = http.get(f"/api/runs/{run['id']}/report").json()
        assert [report[key] for key in ("passed", "failed", "errored")] == counts


def test_the_rows_stand_in_a_file_that_a_new_run_can_read(http: httpx2.Client) -> None:
    file_id = runs_of(http)[LATE]["data_source"]["source"]["id"]
    rows = [json.loads(line) for line in http.get(f"/v1/files/{file_id}/content").content.splitlines()]
    body = {
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
        "testing_criteria": [
            {"type": "string_check", "name": "two", "input": "{{ item.n }}", "reference": "2", "operation": "eq"}
        ],
    }
    parent = http.post("/v1/evals", json=body).json()
    run = http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": file_source(file_id)}).json()
    ended = wait_for_end(http, run)

    assert [row["item"] for row in rows] == [{"n": 0}, {"n": 2}]
    assert (ended["result_counts"]["passed"], ended["result_counts"]["failed"]) == (1, 1)


def test_a_second_import_changes_nothing(server: Server, export: Path) -> None:
    before = stored_rows(server)
    copy = export.with_name("copy of results.json")
    copy.write_text(json.dumps(ROWS))
    outcome = run_import("dashboard", copy, "--data-dir", server.data_dir)

    assert outcome.status == 0, outcome
    assert outcome.counts["output items"] == (0, 6, 0)
    assert stored_rows(server) == before


def test_a_run_that_came_with_another_export_stays_where_it_is(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "part.jsonl"
    path.write_text(lines([row for row in ROWS if row["run_id"] == EARLY]))
    outcome = run_import("dashboard", path, "--check", environment={"EVALHAVEN_URL": server.url})

    assert outcome.status == 3
    assert outcome.counts["runs"] == (0, 0, 1)
    assert "is here already, of eval" in outcome.out


def test_a_run_that_is_here_with_other_counts_is_refused_with_its_rows(server: Server, tmp_path: Path) -> None:
    before = stored_rows(server)
    path = tmp_path / "less.jsonl"
    path.write_text(lines(ROWS[:-1]))
    outcome = run_import("dashboard", path, "--data-dir", server.data_dir)

    assert outcome.status == 3, outcome
    assert (outcome.counts["runs"], outcome.counts["output items"]) == ((0, 1, 1), (0, 3, 0))
    assert f"runs {EARLY}: is here already with other counts" in outcome.out
    assert stored_rows(server) == before


@pytest.mark.parametrize(("text", "where"), [(lines(ROWS), "line 6"), (json.dumps(ROWS), "line 1, row 6")])
def test_an_export_whose_last_row_is_cut_comes_over_without_it_and_the_row_is_named(
    tmp_path: Path, text: str, where: str
) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text(text[:-40])
    with Server(tmp_path).running() as server:
        outcome = run_import("dashboard", path, "--url", server.url)
        again = run_import("dashboard", path, "--url", server.url)
        with httpx2.Client(base_url=server.url, timeout=30) as http:
            totals = {run_id: run["result_counts"]["total"] for run_id, run in runs_of(http).items()}

    assert outcome.status == 3, outcome
    assert outcome.counts == {"files": (2, 0, 0), "evals": (1, 0, 0), "runs": (2, 0, 0), "output items": (5, 0, 0)}
    assert f"{path}, {where}: it is not valid JSON: " in outcome.out
    assert totals == {LATE: 3, EARLY: 2}
    assert (again.status, again.counts["output items"]) == (3, (0, 5, 0))
    assert f"{path}, {where}: it is not valid JSON: " in again.out


def test_what_is_no_export_is_refused_before_anything_is_stored(tmp_path: Path, export: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("not json\n")
    outcome = run_import("dashboard", export, wrong, "--data-dir", tmp_path / "data")

    assert outcome.status == 1
    assert "wrong.jsonl, line 1: it is not valid JSON" in outcome.err
    assert not (tmp_path / "data").exists()
