"""`evalhaven import openai`: the whole way from the hosted API to objects that the SDK finds equal."""

import random
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.databases import TemporaryDatabase
from tests.figures import Say
from tests.importing.hosted_account import Account
from tests.importing.hosted_standin import KEY, STORMY, HostedStandin
from tests.importing.moving import canonical, count_items, run_import, start_import, stored_rows
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.client import Client


def an_sdk(server_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server_url}/v1", api_key="any", max_retries=0, timeout=120)


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_everything_comes_over_equal_after_kills_and_faults(
    tmp_path: Path, say: Say, temporary_database: TemporaryDatabase
) -> None:
    chance = random.Random(SEED)
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old = Server(tmp_path / "old")
    with temporary_database() as url, old.running(), Client(old.url) as client, ExitStack() as stack:
        new = stack.enter_context(Server(tmp_path / "new", url).running())
        account = Account(client)
        account.fill(SIZES.export_evals, SIZES.export_runs, SIZES.export_items)
        with HostedStandin(old.url, STORMY, seed=SEED) as hosted:
            arguments = ("openai", "--base-url", hosted.base_url, "--timeout", "1", "--concurrency", "4")
            arguments = (*arguments, "--data-dir", str(new.data_dir), "--archive-dir", str(tmp_path / "archive"))
            environment = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": new.url}
            requests = SIZES.export_evals + 2 * SIZES.export_runs
            kill_when(lambda: len(hosted.seen), SIZES.export_kills // 2, requests, chance, arguments, environment)
            during = SIZES.export_kills - SIZES.export_kills // 2
            kill_when(lambda: count_items(new), during, SIZES.export_items, chance, arguments, environment)
            assert 0 < count_items(new) < SIZES.export_items

            started = time.perf_counter()
            outcome = run_import(*arguments, environment=environment)
            took_s = time.perf_counter() - started
            assert outcome.status == 0, outcome
            counts = assert_accounts_equal(old.url, new.url)
            before = stored_rows(new)
            again = run_import(*arguments, environment=environment)

        assert again.status == 0, again
        assert stored_rows(new) == before
        assert all(created == refused == 0 for created, _, refused in again.counts.values())
        assert counts == [SIZES.export_evals, SIZES.export_runs, SIZES.export_items]
        assert "Traceback" not in new.log
        say(f"{counts}, {SIZES.export_kills} kills, the last import {took_s:.1f} s, faults {dict(hosted.met)}")
    shutil.rmtree(tmp_path / "old")
    shutil.rmtree(tmp_path / "new")


def kill_when(
    progress: Callable[[], int],
    kills: int,
    total: int,
    chance: random.Random,
    arguments: Iterable[str],
    environment: dict[str, str],
) -> None:
    """Start the import and kill it, so many times, each time after another part of the total came over."""
    for _ in range(kills):
        wanted = progress() + chance.randint(1, total // (kills + 1))
        with start_import(*arguments, environment=environment) as process:
            while progress() < wanted and process.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.05))
            process.kill()
            process.communicate()


def assert_accounts_equal(old_url: str, new_url: str) -> list[int]:
    """Compare every object of two servers with the SDK; return how many evals, runs and items there are."""
    counts = [0, 0, 0]
    with an_sdk(old_url) as old, an_sdk(new_url) as new:

        def pairs(list_of: Callable[[openai.OpenAI], Iterable[Any]]) -> Iterable[tuple[Any, Any]]:
            return zip_longest(list_of(old), list_of(new))

        for parent, moved in pairs(lambda sdk: sdk.evals.list(limit=100, order="asc")):
            assert_equal(parent, moved)
            counts[0] += 1
            eval_id: str = parent.id
            for run, moved_run in pairs(lambda sdk, at=eval_id: sdk.evals.runs.list(at, limit=100, order="asc")):
                assert_equal(run, moved_run)
                assert moved_run.to_dict()["evalhaven"]["imported"]["report_url"] == run.report_url
                counts[1] += 1
                for item, moved_item in pairs(
                    lambda sdk, at=eval_id, of=run.id: sdk.evals.runs.output_items.list(
                        of, eval_id=at, limit=1000, order="asc"
                    )
                ):
                    assert_equal(item, moved_item)
                    counts[2] += 1
                if run.data_source.source.type == "file_id":
                    assert_file_equal(old, new, run.data_source.source.id)
    return counts


def assert_file_equal(old: openai.OpenAI, new: openai.OpenAI, file_id: str) -> None:
    assert_equal(old.files.retrieve(file_id), new.files.retrieve(file_id))
    assert old.files.content(file_id).content == new.files.content(file_id).content


def assert_equal(first: Any, second: Any) -> None:
    assert first is not None
    assert second is not None
    assert canonical(first.to_dict(mode="json")) == canonical(second.to_dict(mode="json"))


def test_the_archive_is_kept_beside_the_data_directory_and_named(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(str(small_account.client.base_url)) as hosted:
        arguments = ("openai", "--base-url", hosted.base_url, "--eval", small_account.run_ids[0][0])
        outcome = run_import(*arguments, environment={"OPENAI_API_KEY": KEY}, cwd=tmp_path)
        checked = run_import(*arguments, "--check", environment={"OPENAI_API_KEY": KEY}, cwd=tmp_path)

    assert (outcome.status, checked.status) == (0, 0), (outcome, checked)
    assert outcome.counts["evals"] == (1, 0, 0)
    assert checked.counts["evals"] == (0, 1, 0)
    assert str(tmp_path / "evalhaven-archive") in outcome.out
    assert (tmp_path / "evalhaven-archive" / "manifest.json").is_file()
    assert (tmp_path / "evalhaven-data" / "evalhaven.db").is_file()


def test_without_a_key_or_an_answer_nothing_is_imported(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(str(small_account.client.base_url)) as hosted:
        without = run_import("openai", "--base-url", hosted.base_url, cwd=tmp_path)
        wrong = run_import(
            "openai", "--base-url", hosted.base_url, environment={"OPENAI_API_KEY": "sk-wrong"}, cwd=tmp_path
        )

    assert (without.status, wrong.status) == (1, 1), (without, wrong)
    assert "OPENAI_API_KEY" in without.err
    assert not (tmp_path / "evalhaven-data").exists()


def test_what_the_api_no_longer_has_is_said_and_rows_are_recovered(tmp_path: Path, small_account: Account) -> None:
    runs = [run for eval_id, _ in small_account.run_ids for run in small_account.list_all(f"/evals/{eval_id}/runs")]
    file_id = next(r["data_source"]["source"]["id"] for r in runs if r["data_source"]["source"]["type"] == "file_id")
    with HostedStandin(str(small_account.client.base_url)) as hosted:
        hosted.gone = {f"/v1/files/{file_id}", f"/v1/files/{file_id}/content"}
        outcome = run_import("openai", "--base-url", hosted.base_url, environment={"OPENAI_API_KEY": KEY}, cwd=tmp_path)

    assert outcome.status == 3, outcome
    assert f"files {file_id}: its rows were rebuilt from output items" in outcome.out
    assert f"file of {file_id} could not be exported" in outcome.out
    # As the account has it, row for row, except for white space.
    original = small_account.client.get(f"/v1/files/{file_id}/content").content
    recovered = (tmp_path / "evalhaven-data" / "blobs" / "1" / file_id).read_bytes()
    rows = [line for line in original.splitlines() if line.strip()]
    assert len(recovered.splitlines()) == len(rows)
