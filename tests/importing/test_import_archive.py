"""`evalhaven import archive`: the server then has what the archive holds, as the hosted API returned it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import eval_body, file_source, inline_source, wait_for_end
from tests.databases import TemporaryDatabase
from tests.importing.moving import (
    ORIGIN,
    Holdings,
    Json,
    a_file,
    a_run,
    an_eval,
    an_item,
    canonical,
    run_import,
    small_holdings,
    stored_rows,
    write_archive,
)
from tests.server import Server

FILE_ROWS = b'{"item": {"a": "x", "b": "x"}}\n{"item": {"a": "y", "b": "z"}}\n'
GONE_FILE = "file-GoneGoneGoneGoneGone12"
STATUSES = ("pass", "fail", "error")
ITEMS = 60


def odd_holdings() -> Holdings:
    """Return ordinary content of a hosted account, together with unusual content that it may hold."""
    plain = small_holdings(ITEMS)
    parent, run = plain.evals[0], plain.runs[plain.evals[0]["id"]][0]
    second = a_run(parent, 2, (0, 0, 0), status="failed", error={"code": "internal_error", "message": "It failed."})
    canceled = a_run(parent, 3, (0, 1, 0), status="canceled", data_source=file_run_source(GONE_FILE))
    old = an_eval(
        2,
        id="egroup_67abd54d9b0081909a86353f6fb9317a",
        unknown={"big": 2**70, "tiny": 1e-9, "none": None, "text": "\x00 \ud800 ü"},
        metadata={"k": "v"},
        share_with_openai=False,
        testing_criteria=[{"name": "judge", "id": "judge-1", "type": "label_model", "sampling_params": None}],
    )
    old_run = a_run(
        old,
        4,
        (0, 1, 0),
        id="erun_6755f4043ae481908bf1bf719aa7c9f4",
        name=None,
        per_testing_criteria_results=None,
        data_source={"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {"n": 2**65}}]}},
    )
    # No results at all, as graders of reasoning models returned, and failed all the same.
    odd_item = an_item(old_run, 0, "fail", results=[], datasource_item={"n": 2**65, "t": "\ud800"}, extra=[None, 1.0])
    own = an_eval(3, evalhaven={"warnings": [{"pointer": "/x", "message": "m"}], "imported": {"origin": "earlier"}})
    return Holdings(
        [parent, old, own],
        {parent["id"]: [run, second, canceled], old["id"]: [old_run], own["id"]: []},
        {
            run["id"]: plain.items[run["id"]],
            second["id"]: [],
            canceled["id"]: [an_item(canceled, 3, "fail")],
            old_run["id"]: [odd_item],
        },
        [(a_file(bytes=len(FILE_ROWS), expires_at=1_700_000_000), FILE_ROWS)],
    )


def file_run_source(file_id: str) -> Json:
    return {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}


@pytest.fixture(scope="module")
def holdings() -> Holdings:
    return odd_holdings()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, holdings: Holdings) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "a", holdings)


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, archive: Path, temporary_database: TemporaryDatabase
) -> Iterator[Server]:
    """A server into which the archive was imported, found by its data directory."""
    with temporary_database() as url, Server(tmp_path_factory.mktemp("server"), url).running() as running:
        outcome = run_import("archive", archive, "--data-dir", running.data_dir)
        assert outcome.status == 0, outcome
        assert running.url in outcome.out
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as opened:
        yield opened


def answered(http: httpx2.Client, path: str) -> Json:
    answer = http.get(path)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content)


def all_pages(http: httpx2.Client, path: str, **query: Any) -> list[Json]:
    found: list[Json] = []
    while True:
        page = http.get(path, params=query).json()
        found += page["data"]
        if not page["has_more"]:
            return found
        query["after"] = page["last_id"]


def test_every_object_is_answered_as_it_was(http: httpx2.Client, holdings: Holdings) -> None:
    compared = 0
    for parent in holdings.evals:
        assert canonical(answered(http, f"/v1/evals/{parent['id']}")) == canonical(parent)
        for run in holdings.runs[parent["id"]]:
            path = f"/v1/evals/{parent['id']}/runs/{run['id']}"
            assert canonical(answered(http, path)) == canonical(run)
            listed = {item["id"]: item for item in all_pages(http, f"{path}/output_items", limit=7)}
            assert listed.keys() == {item["id"] for item in holdings.items[run["id"]]}
            for item in holdings.items[run["id"]]:
                assert canonical(listed[item["id"]]) == canonical(item)
                assert listed[item["id"]] == answered(http, f"{path}/output_items/{item['id']}")
                compared += 1
    assert compared == ITEMS + 2


def test_origin_and_first_report_address_are_kept_beside(http: httpx2.Client, holdings: Holdings) -> None:
    parent = holdings.evals[0]
    run = holdings.runs[parent["id"]][0]
    found = answered(http, f"/v1/evals/{parent['id']}/runs/{run['id']}")

    assert found["evalhaven"] == {"imported": {"origin": ORIGIN, "report_url": run["report_url"]}}
    assert found["report_url"] == f"{http.base_url}/ui/evals/{parent['id']}/runs/{run['id']}".replace("//ui", "/ui")
    assert answered(http, f"/v1/evals/{parent['id']}")["evalhaven"] == {"imported": {"origin": ORIGIN}}


def test_an_eval_that_was_imported_before_keeps_that_record(http: httpx2.Client, holdings: Holdings) -> None:
    extension = answered(http, f"/v1/evals/{holdings.evals[2]['id']}")["evalhaven"]

    assert extension["warnings"] == [{"pointer": "/x", "message": "m"}]
    assert extension["imported"] == {"origin": ORIGIN, "imported": {"origin": "earlier"}}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_imported_items_are_paged_and_filtered(http: httpx2.Client, holdings: Holdings, order: str) -> None:
    parent = holdings.evals[0]
    run = holdings.runs[parent["id"]][0]
    path = f"/v1/evals/{parent['id']}/runs/{run['id']}/output_items"
    found = all_pages(http, path, limit=9, order=order)

    assert len(found) == len({item["id"] for item in found}) == ITEMS
    times = [item["created_at"] for item in found]
    assert times == sorted(times, reverse=order == "desc")
    for status in STATUSES:
        filtered = all_pages(http, path, limit=9, order=order, status=status)
        assert filtered == [item for item in found if item["status"] == status]
        assert len(filtered) == ITEMS // 3


def test_an_item_is_filtered_by_the_status_it_had(http: httpx2.Client, holdings: Holdings) -> None:
    old, run = holdings.evals[1], holdings.runs[holdings.evals[1]["id"]][0]
    path = f"/v1/evals/{old['id']}/runs/{run['id']}/output_items"

    assert [len(all_pages(http, path, status=status)) for status in STATUSES] == [0, 1, 0]


def test_runs_are_listed_and_filtered_with_own_ones_among_them(
    http: httpx2.Client, sdk: openai.OpenAI, holdings: Holdings
) -> None:
    parent = holdings.evals[0]
    own = sdk.evals.runs.create(parent["id"], data_source=inline_source())  # pyright: ignore[reportArgumentType]
    ended = wait_for_end(http, {"id": own.id, "eval_id": parent["id"]})
    imported = [run["id"] for run in holdings.runs[parent["id"]]]
    listed = [run.id for run in sdk.evals.runs.list(parent["id"], limit=1)]

    assert ended["result_counts"] == {"total": 1, "errored": 0, "failed": 0, "passed": 1}
    assert listed.index(own.id) < listed.index(imported[-1]) < listed.index(imported[0])
    assert [run.id for run in sdk.evals.runs.list(parent["id"], status="failed")] == [imported[1]]
    assert [run.id for run in sdk.evals.runs.list(parent["id"], status="canceled")] == [imported[2]]
    assert {imported[0], own.id} <= {run.id for run in sdk.evals.runs.list(parent["id"], status="completed")}


def test_evals_are_listed_with_own_ones_among_them(http: httpx2.Client, sdk: openai.OpenAI, holdings: Holdings) -> None:
    own = http.post("/v1/evals", json=eval_body()).json()["id"]
    listed = [each.id for each in sdk.evals.list(limit=1, order="asc")]

    assert listed.index(holdings.evals[0]["id"]) < listed.index(holdings.evals[2]["id"]) < listed.index(own)


@pytest.mark.parametrize(("file_id", "counts"), [("file-8rn4wHqWo14MaSFZAjC1S3", (1, 1)), (GONE_FILE, (0, 1))])
def test_new_runs_on_imported_evals_read_imported_and_recovered_files(
    http: httpx2.Client, holdings: Holdings, file_id: str, counts: tuple[int, int]
) -> None:
    path = f"/v1/evals/{holdings.evals[0]['id']}/runs"
    created = http.post(path, json={"data_source": file_source(file_id)})
    assert created.status_code == 201, created.text
    ended = wait_for_end(http, created.json())

    assert (ended["result_counts"]["passed"], ended["result_counts"]["failed"]) == counts, ended


def test_a_file_that_had_expired_is_kept(http: httpx2.Client) -> None:
    found = answered(http, "/v1/files/file-8rn4wHqWo14MaSFZAjC1S3")

    assert canonical(found) == canonical(a_file(bytes=len(FILE_ROWS), expires_at=1_700_000_000))
    assert http.get("/v1/files/file-8rn4wHqWo14MaSFZAjC1S3/content").content == FILE_ROWS


def test_a_recovered_file_says_so(http: httpx2.Client, holdings: Holdings) -> None:
    run = holdings.runs[holdings.evals[0]["id"]][2]
    found = answered(http, f"/v1/files/{GONE_FILE}")
    (row,) = map(json.loads, http.get(f"/v1/files/{GONE_FILE}/content").content.splitlines())

    assert found["evalhaven"]["recovered"] == {"from_run": run["id"], "rows": 1, "rows_missing": 3}
    assert row["item"] == {"a": "row 3", "b": "other"}
    assert row["sample"]["choices"][0]["message"] == {"role": "assistant", "content": "row 3"}


def test_reports_of_imported_runs_have_their_counts(http: httpx2.Client, holdings: Holdings) -> None:
    for parent in holdings.evals:
        [listed] = http.get("/api/evals", params={"search": parent["id"]}).json()["data"]
        assert listed["name"] == parent["name"]
        for run in holdings.runs[parent["id"]]:
            report = http.get(f"/api/runs/{run['id']}/report")
            assert report.status_code == 200, report.text
            assert report.json()["name"] == (run["name"] or "")
    link = holdings.runs[holdings.evals[0]["id"]][0]["report_url"].partition(".com")[2]
    assert http.get(link, follow_redirects=True).status_code == 200


def test_a_second_import_changes_nothing(server: Server, archive: Path) -> None:
    before = stored_rows(server)
    outcome = run_import("archive", archive, environment={"EVALHAVEN_URL": f"{server.url}/v1/"})

    assert outcome.status == 0, outcome
    assert stored_rows(server) == before
    assert outcome.counts == {
        "files": (0, 1, 0),
        "evals": (0, 3, 0),
        "runs": (0, 4, 0),
        "output items": (0, ITEMS + 2, 0),
    }


def test_without_a_server_the_same_comes_over_and_a_check_says_so_before(
    tmp_path: Path, archive: Path, holdings: Holdings
) -> None:
    data_dir = tmp_path / "data"
    checked = run_import("archive", archive, "--data-dir", data_dir, "--check")
    assert not data_dir.exists()
    outcome = run_import("archive", archive, environment={"EVALHAVEN_DATA_DIR": str(data_dir)})

    assert (checked.status, outcome.status) == (0, 0), (checked, outcome)
    assert checked.counts == outcome.counts
    assert outcome.counts == {
        "files": (2, 0, 0),
        "evals": (3, 0, 0),
        "runs": (4, 0, 0),
        "output items": (ITEMS + 2, 0, 0),
    }
    assert GONE_FILE in checked.out
    assert GONE_FILE in outcome.out
    assert "request" not in outcome.out + outcome.err
    with Server(tmp_path).running() as later:
        for parent in holdings.evals:
            assert canonical(httpx2.get(f"{later.url}/v1/evals/{parent['id']}").json()) == canonical(parent)


def test_pages_of_runs_with_their_rows_in_them_end_early(tmp_path: Path) -> None:
    parent = an_eval()
    source = {"type": "file_content", "content": [{"item": {"text": "x" * 9_000_000}}]}
    runs = [a_run(parent, n, (0, 0, 0), data_source={"type": "jsonl", "source": source}) for n in range(1, 5)]
    archive = write_archive(tmp_path / "archive", Holdings([parent], {parent["id"]: runs}))
    with Server(tmp_path).running() as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        assert run_import("archive", archive, "--url", server.url).status == 0
        first = http.get(f"/v1/evals/{parent['id']}/runs").json()
        found = all_pages(http, f"/v1/evals/{parent['id']}/runs", order="asc")

    assert (len(first["data"]), first["has_more"]) == (2, True)
    assert [canonical(each) for each in found] == [canonical(run) for run in runs]
