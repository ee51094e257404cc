"""The recorder of a server: when there is one, what it does at its start, and how it ends."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from tests.databases import ON_SQLITE_ONLY
from tests.server import Server
from tests.system.calling import add_calls, log_status, stored_calls
from tests.system.client import wait_until
from tests.system.commands import call_command
from tests.system.inside import executors_of, has_ended, recorders_of

PATTERN = r"\d{4}( ?\d{4}){3}"


def old_call(days: int) -> LoggedCall:
    created = datetime.now(UTC) - timedelta(days=days)
    reply = {"id": f"chatcmpl-{days}", "choices": []}
    return LoggedCall(
        scope=DEFAULT_PROJECT,
        id=f"chatcmpl-{days}",
        kind=CallKind.CHAT,
        created_at=int(created.timestamp()),
        asked_model="m",
        model="m",
        request="{}",
        reply=json.dumps(reply),
        metadata={},
        origin=f"test-{days}",
    )


@pytest.fixture
def has_gateway() -> bool:
    return True


@ON_SQLITE_ONLY
def test_a_recorder_ends_with_its_killed_server(server: Server) -> None:
    (recorder,) = recorders_of(server.data_dir)

    server.kill()

    wait_until(lambda: has_ended(recorder), "the recorder is gone")


@ON_SQLITE_ONLY
def test_a_recorder_that_dies_often_is_back_before_calls_are_lost(server: Server) -> None:
    for died in range(1, 8):
        wait_until(lambda: recorders_of(server.data_dir), "the recorder is up")
        recorders_of(server.data_dir)[0].kill()
        wait_until(lambda died=died: server.log.count("recorder_died") == died, "its death is noted")

    pauses = [float(each) for each in re.findall(r"recorder_died .*restart_in_s=([\d.]+)", server.log)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


@ON_SQLITE_ONLY
def test_there_is_no_recorder_where_no_calls_are_kept(stopped_server: Server) -> None:
    for variable, value in (("EVALHAVEN_GATEWAY", "off"), ("EVALHAVEN_LOG_CALLS", "none")):
        server = Server(stopped_server.log_path.parent, **{"EVALHAVEN_GATEWAY": "on", variable: value})
        with server.running():
            assert executors_of(server.data_dir), "children are found by their commands"
            assert recorders_of(server.data_dir) == []
            status = log_status(server)
            assert (status["recorder"], status["problem"]) == (None, None)


def test_what_the_server_or_its_project_does_not_keep_is_dropped_at_the_start(server: Server) -> None:
    assert httpx2.post(f"{server.url}/api/logs/retention", json={"days": 20}, timeout=30).status_code == 200
    server.stop()
    others = [replace(old_call(days), scope=ProjectScope(2)) for days in (1, 29, 33)]
    add_calls(server, [*others, *(old_call(days) for days in (1, 19, 29, 32, 33))])
    server.restart()

    wait_until(lambda: log_status(server)["stored"]["calls"] == 2, "three calls of the project are dropped")

    stored = log_status(server)["stored"]
    assert stored["oldest_day"] == (datetime.now(UTC) - timedelta(days=19)).date().isoformat()
    assert [(each["calls"], each["all_calls"]) for each in stored["days"]] == [(1, 2), (1, 1), (0, 1)]
    assert "logged_calls_dropped" in server.log


@ON_SQLITE_ONLY
def test_what_a_pattern_matches_is_not_stored_and_the_caller_gets_it(stopped_server: Server) -> None:
    server = Server(stopped_server.log_path.parent, EVALHAVEN_GATEWAY="on", EVALHAVEN_LOG_REDACT=PATTERN)
    with server.running():
        question = {"role": "user", "content": "Say 4111 1111 1111 1111."}
        body = {"model": "any", "store": True, "messages": [question], "metadata": {"card": "4111111111111111"}}
        answer = httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=30).json()
        assert "4111 1111 1111 1111" in json.dumps(answer)
        wait_until(lambda: log_status(server)["stored"]["calls"] == 1, "the call is stored")
        (call,) = stored_calls(server)
    assert "4111" not in call.request + call.reply
    assert "Say [redacted]." in call.request
    assert call.metadata == {"card": "[redacted]"}
    assert call.id == answer["id"]


@ON_SQLITE_ONLY
def test_a_command_tells_the_state_of_logging_with_and_without_a_server(server: Server) -> None:
    served = call_command("logs", "status", "--data-dir", str(server.data_dir))
    doctor = call_command("doctor", "--data-dir", str(server.data_dir))
    server.stop()
    alone = call_command("logs", "status", "--data-dir", str(server.data_dir))
    nowhere = call_command("logs", "status", "--data-dir", str(server.data_dir / "missing"))

    assert (served.returncode, alone.returncode, nowhere.returncode) == (0, 0, 1)
    assert served.stdout == "Stored calls: 0 in 0.0 MB.\nWaiting to be stored: 0.\nLost: none.\nKept: 30 days.\n"
    assert alone.stdout == served.stdout + "Recorder: none is running.\n"
    assert "- Stored calls: 0 in 0.0 MB. Waiting to be stored: 0. Lost: none. Kept: 30 days." in doctor.stdout
    assert "no data directory" in " ".join(nowhere.stderr.split())
    assert not (server.data_dir / "missing").exists()
