"""`evalhaven export-hosted` against an unreliable stand-in of the hosted API."""

import json
import random
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from evalhaven.importers.archive import Archive
from tests.figures import Say
from tests.importing.hosted_account import (
    INCOMPLETE,
    INTERRUPTED,
    Account,
    assert_archive_equals_account,
    export,
    start_export,
    unit_states,
)
from tests.importing.hosted_standin import KEY, STORMY, HostedStandin, Seen
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.client import Client

FAST = ("--timeout", "1")


def server_url(account: Account) -> str:
    return str(account.client.base_url)


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_archive_equals_the_account_after_kills_and_faults(tmp_path: Path, say: Say) -> None:
    chance = random.Random(SEED)
    server, directory = Server(tmp_path), tmp_path / "archive"
    with server.running(), Client(server.url) as client:
        account = Account(client)
        account.fill(SIZES.export_evals, SIZES.export_runs, SIZES.export_items)
        with HostedStandin(server.url, STORMY, seed=SEED) as hosted:
            # From the first list until well into the items, wherever an export continues that was killed before.
            gap = SIZES.export_evals + 2 * SIZES.export_runs // SIZES.export_kills
            for _ in range(SIZES.export_kills):
                kill_export(hosted, directory, chance.randint(1, gap), chance.uniform(0, 0.05))
            export(hosted.base_url, directory, *FAST)
            counts = assert_archive_equals_account(directory, account)
            states = unit_states(directory)
            export(hosted.base_url, directory, *FAST)

            assert unit_states(directory) == states
            assert counts["evals"] == SIZES.export_evals
            assert counts["runs"] == SIZES.export_runs
            assert counts["output_items"] == SIZES.export_items
            assert {seen.method for seen in hosted.seen} == {"GET"}
            say(f"{counts}, {SIZES.export_kills} kills, {len(hosted.seen)} requests, faults {dict(hosted.met)}")
    shutil.rmtree(server.data_dir)


def kill_export(hosted: HostedStandin, directory: Path, requests: int, delay_s: float) -> None:
    """Start an export and kill it after so many requests and a moment more."""
    wanted = len(hosted.seen) + requests
    process = start_export(hosted.base_url, directory, *FAST)
    while len(hosted.seen) < wanted and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay_s)
    process.kill()
    process.communicate()


def test_pages_hold_the_bodies_as_they_came(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        export(hosted.base_url, tmp_path)
    eval_id, run_id = small_account.run_ids[-1]
    path = f"/v1/evals/{eval_id}/runs/{run_id}/output_items?order=asc&limit=100"
    body = small_account.client.get(path).content

    objects = list(Archive.open(tmp_path).output_items(run_id))

    assert b"[" + b",".join(objects) + b"]" in body.replace(b"\n", b" ").replace(b", {", b",{")


def test_later_export_adds_what_is_new_and_keeps_what_is_gone(tmp_path: Path) -> None:
    server, directory = Server(tmp_path), tmp_path / "archive"
    with server.running(), Client(server.url) as client:
        account = Account(client)
        account.fill(evals=2, runs=4, items=40)
        with HostedStandin(server.url) as hosted:
            export(hosted.base_url, directory)
            before = {each: list(Archive.open(directory).runs(each)) for each, _ in account.run_ids}
            eval_id, run_id = account.run_ids[0]
            client.delete(f"/v1/evals/{eval_id}/runs/{run_id}").raise_for_status()
            client.delete(f"/v1/evals/{account.run_ids[1][0]}").raise_for_status()
            account.run_ids.clear()
            new_run = account.create_run(eval_id, [{"item": {"n": 1, "answer": "a", "expected": "a"}}], {})
            client.wait_for_end(eval_id, new_run)
            unused_file = client.upload(b'{"item": {}}\n')
            export(hosted.base_url, directory)
            assert Archive.open(directory).find_file(unused_file) is None
            export(hosted.base_url, directory, "--all-files")
            states = unit_states(directory)
            export(hosted.base_url, directory)

    archive = Archive.open(directory)
    file = archive.find_file(unused_file)
    assert file is not None
    assert file.content is not None
    assert file.content.read_bytes() == b'{"item": {}}\n'
    assert len(list(archive.evals())) == 2
    assert {json.loads(raw)["id"] for raw in archive.runs(eval_id)} == {
        *(json.loads(raw)["id"] for raw in before[eval_id]),
        new_run,
    }
    assert len(list(archive.output_items(run_id))) == 10
    assert len(list(archive.output_items(new_run))) == 1
    assert list(archive.verify()) == []
    assert unit_states(directory) == states


def test_filters_choose_evals_and_runs(tmp_path: Path, small_account: Account) -> None:
    runs = {
        run["id"]: run
        for eval_id in dict(small_account.run_ids)
        for run in small_account.list_all(f"/evals/{eval_id}/runs")
    }
    (first_eval, first_run), (second_eval, second_run) = small_account.run_ids[:2]
    created = sorted(run["created_at"] for run in runs.values())
    with HostedStandin(server_url(small_account)) as hosted:

        def chosen(name: str, *options: str, status: int = 0) -> tuple[set[str], set[str]]:
            export(hosted.base_url, tmp_path / name, *options, status=status)
            archive = Archive.open(tmp_path / name)
            assert list(archive.verify()) == []
            evals = {json.loads(raw)["id"] for raw in archive.evals()}
            found = {json.loads(raw)["id"] for eval_id in evals for raw in archive.runs(eval_id)}
            assert all(list(archive.output_items(run_id)) for run_id in found)
            assert archive.manifest.counts["runs"] == len(found)
            return evals, found

        assert chosen("one", "--eval", first_eval) == (
            {first_eval},
            {run_id for eval_id, run_id in small_account.run_ids if eval_id == first_eval},
        )
        assert chosen("number", "--metadata", "number=1") == ({second_eval}, {second_run})
        assert chosen("team", "--metadata", "team=b", "--metadata", "number=0") == ({first_eval}, {first_run})
        assert chosen("never", "--until", "2001-01-01", status=INCOMPLETE) == (set(), set())
        assert chosen("always", "--since", "2001-01-01", "--until", str(created[-1] + 1))[1] == set(runs)
        # What an archive holds stays in it when a later export wants something else.
        assert chosen("number", "--metadata", "number=0") == ({first_eval, second_eval}, {first_run, second_run})


def test_dry_run_counts_and_writes_nothing(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        output = export(hosted.base_url, tmp_path / "archive", "--dry-run")

    assert " ".join(output.split()[3:]) == "evals 3 runs 6 output items 600 files 2 stored completions 0"
    assert not (tmp_path / "archive").exists()


def test_probe_records_evidence_without_secrets_and_only_reads(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        export(hosted.base_url, tmp_path, "--probe", OPENAI_ORG_ID="org-made-up")

        assert {seen.method for seen in hosted.seen} == {"GET"}
        assert all(seen.headers["openai-organization"] == "org-made-up" for seen in hosted.seen)
    entries: dict[str, Any] = {}
    for path in (tmp_path / "probe").iterdir():
        entry = json.loads(path.read_text())
        entries[entry["question"]] = entry
    assert entries["evals-limit-101"]["status"] == 400
    assert entries["evals-limit-abc"]["status"] == 400
    assert entries["runs-defaults"]["listed"]["objects"] == 2
    assert entries["output-items-order-asc"]["listed"]["objects"] == 5
    assert json.loads(entries["evals-get-unknown"]["body"])["error"]["message"]
    assert entries["output-items-get-known"]["status"] == 200
    assert entries["output-items-status-fail"]["request"]["query"] == {"status": "fail", "limit": 2}
    assert ["x-request-id", "r"] in entries["files-defaults"]["headers"]
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in everything
    assert b"set-cookie" not in everything


def test_missing_key_is_an_error(tmp_path: Path) -> None:
    assert "OPENAI_API_KEY is not set" in export(None, tmp_path, status=1, OPENAI_API_KEY="")
    azure = ("--base-url", "https://made-up.openai.azure.com/openai/v1")
    assert "AZURE_OPENAI_API_KEY is not set" in export(None, tmp_path, *azure, status=1)


def test_refused_key_cannot_start_and_is_not_shown(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        output = export(hosted.base_url, tmp_path / "archive", status=1, OPENAI_API_KEY="sk-wrong-one")

    assert "401: Incorrect API key provided: Bearer ***." in output
    assert not (tmp_path / "archive").exists()


def test_openai_base_url_is_not_read(tmp_path: Path, small_account: Account) -> None:
    url = server_url(small_account)
    with HostedStandin(url) as hosted, HostedStandin(url) as new_server:
        export(hosted.base_url, tmp_path, "--eval", small_account.run_ids[0][0], OPENAI_BASE_URL=new_server.base_url)

        assert hosted.seen
        assert new_server.seen == []


def test_what_is_gone_is_recorded_and_the_rest_goes_on(tmp_path: Path, small_account: Account) -> None:
    eval_id, run_id = small_account.run_ids[1]
    run = small_account.client.get_run(*small_account.run_ids[0])
    file_id = run["data_source"]["source"]["id"]
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.gone = {f"/v1/files/{file_id}", f"/v1/evals/{eval_id}/runs/{run_id}/output_items"}
        output = export(hosted.base_url, tmp_path, status=INCOMPLETE)
        failures = {(each.kind, each.id, each.status) for each in Archive.open(tmp_path).manifest.failures}
        assert failures == {("file", file_id, 404), ("output_items", run_id, 404)}
        assert "Incomplete. To try the missing part again" in output
        assert Archive.open(tmp_path).manifest.counts["files"] == 1
        hosted.gone = set()
        export(hosted.base_url, tmp_path)

    assert Archive.open(tmp_path).manifest.failures == []
    assert_archive_equals_account(tmp_path, small_account)


def test_runs_under_way_are_fetched_again(tmp_path: Path, small_account: Account) -> None:
    _, run_id = small_account.run_ids[2]
    with HostedStandin(server_url(small_account)) as hosted:

        def show_in_progress(seen: Seen, body: bytes) -> bytes:
            if not seen.path.endswith("/runs"):
                return body
            page = json.loads(body)
            for run in page["data"]:
                run["status"] = "in_progress" if run["id"] == run_id else run["status"]
            return json.dumps(page).encode()

        hosted.rewrite = show_in_progress
        output = export(hosted.base_url, tmp_path, status=INCOMPLETE)
        assert f"output items {run_id}: the run was in_progress and may go on" in output
        hosted.rewrite = lambda _seen, body: body
        hosted.seen.clear()
        output = export(hosted.base_url, tmp_path)

        assert [seen.path.split("/")[-2] for seen in hosted.seen if seen.path.endswith("items")] == [run_id]
        assert run_id not in output
    assert_archive_equals_account(tmp_path, small_account)


def test_page_size_is_halved_where_pages_take_too_long(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.max_fast_limit = 30
        export(hosted.base_url, tmp_path, "--eval", small_account.run_ids[0][0], "--concurrency", "1")
        limits = {int(seen.query["limit"]) for seen in hosted.seen if seen.path.endswith("output_items")}

    assert limits == {100, 50, 25}
    assert Archive.open(tmp_path).manifest.counts["output_items"] > 200


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_export_keeps_its_state(tmp_path: Path, small_account: Account, end: signal.Signals) -> None:
    with HostedStandin(server_url(small_account), hang_s=30) as hosted:
        is_interrupted = threading.Event()

        def hold_up(seen: Seen, body: bytes) -> bytes:
            if seen.path.endswith("/output_items") and "after" in seen.query:
                is_interrupted.wait(30)
            return body

        hosted.rewrite = hold_up
        process = start_export(hosted.base_url, tmp_path, "--concurrency", "1")
        while not any("after" in seen.query for seen in hosted.seen):
            time.sleep(0.01)
        process.send_signal(end)
        output, _ = process.communicate(timeout=30)
        is_interrupted.set()

        assert process.returncode == INTERRUPTED, output
        assert "The export has not ended" in output
        assert list(tmp_path.rglob("*.part"))
        assert "the export has not ended" in list(Archive.open(tmp_path).verify())[-1]
        export(hosted.base_url, tmp_path)
    assert_archive_equals_account(tmp_path, small_account)


def test_second_process_and_other_accounts_are_kept_out(tmp_path: Path, small_account: Account) -> None:
    url = server_url(small_account)
    with HostedStandin(url, hang_s=30) as hosted, HostedStandin(url) as other:
        process = start_export(hosted.base_url, tmp_path)
        while not (tmp_path / "manifest.json").exists():
            time.sleep(0.001)
        # It goes on once the second one was refused.
        process.send_signal(signal.SIGSTOP)
        output = export(hosted.base_url, tmp_path, status=1)
        assert "Another export is writing" in output
        process.send_signal(signal.SIGCONT)
        process.communicate()
        assert process.returncode == 0
        assert "choose another directory" in export(other.base_url, tmp_path, status=1)


@pytest.mark.soak
@pytest.mark.timeout(14400)
def test_export_of_a_million_items_stays_in_flat_memory(tmp_path: Path, say: Say) -> None:
    count, directory = 1_000_000, tmp_path / "archive"
    server = Server(tmp_path)
    with server.running(), Client(server.url) as client:
        account = Account(client)
        eval_id = account.create_eval("large")
        rows = [{"item": {"n": n, "answer": "yes", "expected": "yes"}} for n in range(count)]
        file_id = client.upload("\n".join(map(json.dumps, rows)).encode())
        rows.clear()
        run_id = account.create_run(eval_id, [], {}, file_id)
        client.wait_for_end(eval_id, run_id, timeout_s=7200)
        with HostedStandin(server.url) as hosted:
            process, started, peak = start_export(hosted.base_url, directory), time.monotonic(), 0
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                try:
                    peak = max(peak, watched.memory_info().rss)
                except psutil.NoSuchProcess:
                    break
                time.sleep(0.1)
            output, _ = process.communicate()
    say(f"{count} items: peak {peak / 1e6:.0f} MB, {time.monotonic() - started:.0f} s")
    assert process.returncode == 0, output
    assert sum(1 for _ in Archive.open(directory).output_items(run_id)) == count
    assert peak < 200e6
    shutil.rmtree(server.data_dir)
