"""Stored completions and responses in an export: all of them, verbatim, and only once."""

import gzip
import json
import random
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from evalhaven.domain.clock import Clock
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.importers.archive import Archive, read_unit
from evalhaven.logs.day_files.store import DayFileStore
from tests.importing.hosted_account import INCOMPLETE, Account, export, start_export, unit_states
from tests.importing.hosted_standin import STORMY, HostedStandin, Seen
from tests.importing.moving import run_import
from tests.sizes import SEED


def server_url(account: Account) -> str:
    return str(account.client.base_url)


def objects_of(directory: Path, kind: Any) -> dict[str, Any]:
    """Return the objects of a unit by their ids, each as its raw text."""
    archive = Archive.open(directory)
    assert list(archive.verify()) == []
    unit = archive.find_unit(kind)
    found = [] if unit is None else [raw.decode() for raw in read_unit(directory, unit)]
    by_id = {json.loads(raw)["id"]: raw for raw in found}
    assert len(by_id) == len(found)
    return by_id


def asked(hosted: HostedStandin, ending: str) -> int:
    return sum(seen.path.endswith(ending) for seen in hosted.seen)


def assert_logs_are_there(directory: Path, hosted: HostedStandin) -> None:
    """Compare what the archive holds with what is stored, character by character."""
    assert objects_of(directory, "stored_completions") == hosted.logs.completions
    messages = objects_of(directory, "completion_messages")
    assert messages.keys() == hosted.logs.completions.keys()
    for public_id, envelope in messages.items():
        pages = json.loads(envelope)["messages"]
        texts = hosted.logs.messages[public_id]
        assert [each for page in pages for each in page["data"]] == list(map(json.loads, texts))
        assert all(text in envelope for text in texts)


def test_completions_come_with_their_messages_to_the_letter_and_once(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.logs.fill(130)
        hosted.logs.messages["chatcmpl-0007"] = [f'{{"id": "m{n}", "n": {n}.0}}' for n in range(250)]
        output = export(hosted.base_url, tmp_path)
        assert_logs_are_there(tmp_path, hosted)
        states = unit_states(tmp_path)
        hosted.seen.clear()
        export(hosted.base_url, tmp_path)
        assert unit_states(tmp_path) == states
        assert asked(hosted, "/messages") == 0
        hosted.logs.completions.pop("chatcmpl-0003")
        hosted.logs.fill(132)
        hosted.logs.completions.pop("chatcmpl-0003")
        hosted.seen.clear()
        export(hosted.base_url, tmp_path)

        assert asked(hosted, "/messages") == 2
    assert "stored completions 130" in " ".join(output.split())
    # What is no longer there is kept.
    assert len(objects_of(tmp_path, "stored_completions")) == len(objects_of(tmp_path, "completion_messages")) == 132
    with gzip.open(tmp_path / "logs" / "stored_completions.jsonl.gz") as lines:
        assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.slow
def test_kills_and_faults_lose_no_completion_and_fetch_none_twice(tmp_path: Path, small_account: Account) -> None:
    chance = random.Random(SEED)
    with HostedStandin(server_url(small_account), STORMY, seed=SEED, hang_s=1.0) as hosted:
        hosted.logs.fill(150)
        for _ in range(3):
            process = start_export(hosted.base_url, tmp_path, "--timeout", "1")
            wanted = asked(hosted, "/messages") + chance.randint(1, 40)
            while asked(hosted, "/messages") < wanted and process.poll() is None:
                time.sleep(0.005)
            process.kill()
            process.communicate()
        export(hosted.base_url, tmp_path)
        assert_logs_are_there(tmp_path, hosted)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_them_is_reported_and_ends_nothing(
    tmp_path: Path, small_account: Account, status: int
) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.logs.fill(3)
        hosted.logs.refusal = status
        output = export(hosted.base_url, tmp_path, status=INCOMPLETE)
        failures = Archive.open(tmp_path).manifest.failures
        assert [(each.kind, each.id, each.status) for each in failures] == [("stored_completions", None, status)]
        assert f"stored completions : {status}: You have insufficient permissions" in output
        assert Archive.open(tmp_path).manifest.counts["output_items"] == 600
        foreseen = export(hosted.base_url, tmp_path, "--dry-run")
        assert f"Stored completions cannot be listed: {status}" in foreseen
        hosted.logs.refusal = None
        hosted.logs.messages_refusal = status
        export(hosted.base_url, tmp_path, status=INCOMPLETE)
        failures = Archive.open(tmp_path).manifest.failures
        assert [(each.kind, each.id) for each in failures] == [("completion_messages", None)]
        hosted.logs.messages_refusal = None
        export(hosted.base_url, tmp_path)
        assert_logs_are_there(tmp_path, hosted)


def test_an_address_without_stored_completions_is_complete(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.logs.refusal = 404
        output = export(hosted.base_url, tmp_path)

    assert "this address does not list them" in output


def test_filters_hold_for_completions_and_they_can_be_left_out(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.logs.fill(30)

        def chosen(name: str, *options: str) -> set[str]:
            export(hosted.base_url, tmp_path / name, *options)
            return set(objects_of(tmp_path / name, "stored_completions"))

        assert chosen("odd", "--metadata", "number=1") == {f"chatcmpl-{n:04}" for n in range(1, 30, 2)}
        assert set(objects_of(tmp_path / "odd", "completion_messages")) == chosen("odd")
        assert chosen("eval", "--eval", small_account.run_ids[0][0]) == set()
        hosted.seen.clear()
        assert chosen("none", "--no-logs") == chosen("none") == set()
        assert asked(hosted, "/completions") == 0
        foreseen = export(hosted.base_url, tmp_path / "x", "--dry-run")
        assert "stored completions 30" in " ".join(foreseen.split())


def test_responses_that_runs_and_items_name_are_fetched_by_id(tmp_path: Path, small_account: Account) -> None:
    named = ("resp_fromarun000", "resp_fromanitem1", "resp_inatext0000")
    in_run, in_item = b'"data_source":{', b'"datasource_item":{'
    with HostedStandin(server_url(small_account)) as hosted:
        for number, public_id in enumerate((*named, "resp_nobodys0000")):
            hosted.logs.add_response(public_id, 120 * number)

        def name_responses(seen: Seen, body: bytes) -> bytes:
            if "/output_items" in seen.path:
                ids = b'"id":"resp_fromanitem1","gone":"resp_gone00000000","t":"{\\"resp_inatext0000\\"}",'
                return body.replace(in_item, in_item + ids)
            return body.replace(in_run, in_run + b'"previous":"resp_fromarun000",')

        hosted.rewrite = name_responses
        output = export(hosted.base_url, tmp_path)
        found = objects_of(tmp_path, "responses")
        hosted.seen.clear()
        export(hosted.base_url, tmp_path)
        assert sum("/responses/" in seen.path for seen in hosted.seen) == 1

    assert set(found) == set(named)
    for public_id, envelope in found.items():
        assert hosted.logs.responses[public_id] in envelope
        pages = json.loads(envelope)["input_items"]
        items = [each for page in pages for each in page["data"]]
        assert items == list(map(json.loads, hosted.logs.input_items[public_id]))
    assert "responses that runs or items name but that are gone there: 1" in output


def test_the_import_stores_logged_calls_once(tmp_path: Path, small_account: Account) -> None:
    with HostedStandin(server_url(small_account)) as hosted:
        hosted.logs.fill(5)
        hosted.logs.add_response("resp_fromarun000", items=2)
        shown = hosted.logs.responses["resp_fromarun000"]
        hosted.logs.responses["resp_fromarun000"] = shown.replace('"n": 1.0', '"created_at": 1760000000, "model": "m"')
        in_run = b'"data_source":{'
        hosted.rewrite = lambda _seen, body: body.replace(in_run, in_run + b'"previous":"resp_fromarun000",')
        export(hosted.base_url, tmp_path / "archive")
    states = unit_states(tmp_path / "archive")
    arguments = ("archive", tmp_path / "archive", "--data-dir", tmp_path / "data")
    count = 6

    # They date from 2025, and would be dropped at once.
    outcome = run_import(*arguments)
    assert outcome.status == 3, outcome
    assert f"Calls: 0 stored, 0 known already, {count} refused." in outcome.out
    assert f"Left out because of their age: {count} of the refused calls." in outcome.out
    needed = int(outcome.out.partition("set EVALHAVEN_LOG_DAYS to ")[2].partition(" or more")[0])
    assert needed > 365

    for options, told in (
        (["--check"], f"Would be: {count} stored, 0 known already, 0 refused."),
        ([], f"Calls: {count} stored, 0 known already, 0 refused."),
        ([], f"Calls: 0 stored, {count} known already, 0 refused."),
    ):
        outcome = run_import(*arguments, *options, environment={"EVALHAVEN_LOG_DAYS": str(needed + 1)})
        assert outcome.status == 0, outcome
        assert told in outcome.out
    assert unit_states(tmp_path / "archive") == states
    calls = anyio.run(_stored_calls, tmp_path / "data" / "logs")
    [response] = [call for call in calls if call.kind is CallKind.RESPONSE]
    items = list(map(json.loads, hosted.logs.input_items["resp_fromarun000"]))
    assert json.loads(response.request) == {"model": "m", "input": items}
    completions = [call for call in calls if call.kind is CallKind.CHAT]
    assert sorted(call.id for call in completions) == sorted(hosted.logs.completions)
    for call in completions:
        assert json.loads(call.reply) == json.loads(hosted.logs.completions[call.id])
        sent = json.loads(call.request)
        texts = hosted.logs.messages[call.id]
        assert sent["messages"] == [{k: v for k, v in json.loads(text).items() if k != "id"} for text in texts]
        assert call.metadata == sent["metadata"] == json.loads(hosted.logs.completions[call.id])["metadata"]


async def _stored_calls(directory: Path) -> list[LoggedCall]:
    store = DayFileStore(directory, Clock())
    page = await store.page(DEFAULT_PROJECT, CallFilter(), limit=100, order="asc")
    await store.close()
    return list(page.calls)
