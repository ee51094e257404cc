"""`evalhaven import archive`: what does not come over, and why."""

from pathlib import Path

import httpx2

from tests.importing.moving import (
    Holdings,
    a_file,
    a_run,
    an_eval,
    an_item,
    canonical,
    run_import,
    small_holdings,
    write_archive,
)
from tests.server import Server


def test_imported_objects_are_updated_and_deleted_and_stay_deleted(tmp_path: Path) -> None:
    holdings = small_holdings()
    parent = holdings.evals[0]
    run = holdings.runs[parent["id"]][0]
    second = a_run(parent, 2, (0, 0, 0))
    holdings.runs[parent["id"]].append(second)
    archive = write_archive(tmp_path / "archive", holdings)
    with Server(tmp_path).running() as server, httpx2.Client(base_url=f"{server.url}/v1/evals", timeout=30) as http:
        assert run_import("archive", archive, "--url", server.url).status == 0
        changed = http.post(f"/{parent['id']}", json={"name": "new", "metadata": {"k": "v"}}).json()
        assert canonical(changed) == canonical({**parent, "name": "new", "metadata": {"k": "v"}})
        assert http.delete(f"/{parent['id']}/runs/{run['id']}").json()["deleted"]

        again = run_import("archive", archive, "--url", server.url)
        assert again.status == 3
        assert again.counts["runs"] == (0, 1, 1)
        assert "was deleted here" in again.out
        assert http.get(f"/{parent['id']}/runs/{run['id']}").status_code == 404
        assert http.get(f"/{parent['id']}").json() == changed
        assert http.delete(f"/{parent['id']}").json()["deleted"]
        assert http.get(f"/{parent['id']}/runs/{second['id']}").status_code == 404


def test_what_cannot_come_over_is_refused_with_the_reason(tmp_path: Path) -> None:
    good = an_eval()
    queued = a_run(good, 1, status="in_progress")
    nameless = a_run(good, 2, id="../../evil")
    taken = a_run(good, 3, (1, 0, 0))
    holdings = Holdings(
        [good, an_eval(2, data_source_config=None), an_eval(3)],
        {good["id"]: [queued, nameless, taken, 17], an_eval(3)["id"]: [{**taken, "eval_id": an_eval(3)["id"]}]},
        {
            taken["id"]: [
                an_item(taken, 0),
                an_item(taken, 1, datasource_item=None),
                an_item(taken, 2, created_at="x"),
            ],
            queued["id"]: [an_item(queued, 0)],
        },
        [(a_file(id="no id/"), b"x"), (a_file(id="evalrun_blob"), b"x")],
    )
    outcome = run_import("archive", write_archive(tmp_path / "a", holdings), "--data-dir", tmp_path / "data")

    assert outcome.status == 3, outcome
    assert outcome.counts == {
        "files": (1, 0, 2),
        "evals": (2, 0, 1),
        "runs": (1, 0, 4),
        "output items": (1, 0, 2),
    }
    for reason in (
        "its status was 'in_progress'",
        "its 'id' is missing or not an id",
        "it is not a JSON object",
        "'data_source_config' is missing",
        "'datasource_item' is missing",
        "'created_at' is missing",
        "is here already, of eval",
        "is not that of a file",
    ):
        assert reason in outcome.out, reason
    assert f"run {taken['id']} counts 1 output items" not in outcome.out


def test_an_archive_that_is_not_whole_is_imported_as_far_as_it_goes(tmp_path: Path) -> None:
    holdings = small_holdings()
    run_id = holdings.runs[holdings.evals[0]["id"]][0]["id"]
    archive = write_archive(tmp_path / "archive", Holdings(holdings.evals, holdings.runs), finished_at=None)
    outcome = run_import("archive", archive, "--data-dir", tmp_path / "data")

    assert outcome.status == 3
    assert f"run {run_id} counts 3 output items, and 0 of them came over" in outcome.out
    assert "the export has not ended" in outcome.out


def test_a_damaged_archive_is_named_and_the_rest_comes_over(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "archive", small_holdings())
    (unit,) = (archive / "output_items").iterdir()
    unit.write_bytes(unit.read_bytes()[:-20])
    checked = run_import("archive", archive, "--data-dir", tmp_path / "data", "--check")
    outcome = run_import("archive", archive, "--data-dir", tmp_path / "data")

    assert (checked.status, outcome.status) == (3, 3)
    for each in (checked, outcome):
        assert f"output_items/{unit.name} is damaged, and 0 of its 3 objects could be read" in each.out
        assert each.out.count(unit.name) == 1
        assert (each.counts["evals"], each.counts["runs"]) == ((1, 0, 0), (1, 0, 0))
    assert run_import("archive", tmp_path / "nothing").status == 1


def test_large_objects_come_over_and_too_large_ones_are_refused(tmp_path: Path) -> None:
    parent = an_eval()
    run = a_run(parent, 1, (3, 0, 0))
    items = [an_item(run, n, datasource_item={"text": "x" * 700_000 * (1 + n)}) for n in range(3)]
    archive = write_archive(
        tmp_path / "archive", Holdings([parent], {parent["id"]: [run]}, {run["id"]: items}, [(a_file(), b"x" * 2**21)])
    )
    with Server(tmp_path, EVALHAVEN_MAX_BODY_MB="1", EVALHAVEN_MAX_FILE_MB="1").running() as server:
        outcome = run_import("archive", archive, "--url", server.url)

    assert outcome.status == 3
    assert outcome.counts["output items"] == (1, 0, 2)
    assert outcome.counts["files"][2] == 1
    assert "raise EVALHAVEN_MAX_BODY_MB there" in outcome.out
    assert "raise EVALHAVEN_MAX_FILE_MB there" in outcome.out
