"""Logged calls survive SIGKILL of the server and of its recorder: each is stored once, or counted as lost."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.databases import TemporaryDatabase
from tests.figures import Say
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.calling import Callers, log_status, numbers_given, stored_numbers
from tests.system.client import wait_until
from tests.system.inside import recorders_of

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(900)]

NOTHING_LOST = {"overflow": 0, "killed": 0, "unreadable": 0, "failed": 0}


@pytest.fixture
def has_gateway() -> bool:
    return True


@pytest.fixture
def small_queue_server(tmp_path: Path, temporary_database: TemporaryDatabase) -> Iterator[Server]:
    """Return a server that lets little wait to be stored."""
    with temporary_database() as url:
        server = Server(tmp_path, url, EVALHAVEN_GATEWAY="on", EVALHAVEN_LOG_QUEUE_MB="1")
        with server.running():
            yield server


def test_a_killed_server_loses_at_most_what_was_under_way_and_the_next_one_counts_it(server: Server, say: Say) -> None:
    chance = random.Random(SEED)
    callers = Callers(server)
    given = 0
    killed_at: list[float] = []
    with callers.calling():
        for _ in range(SIZES.log_kills):
            _wait_for_answers(callers, chance.randint(100, 400))
            server.kill()
            killed_at.append(time.monotonic())
            given += numbers_given(server.data_dir)
            server.restart()
        _wait_for_answers(callers, 100)
    status = _settled(server)
    given += numbers_given(server.data_dir)

    stored = stored_numbers(server)
    lost = callers.answered.keys() - set(stored)
    assert len(stored) == len(set(stored))
    assert set(stored) <= callers.sent
    # Exactly: what was given to a recorder is stored or counted, whether or not its caller got an answer.
    assert status["lost"] == {**NOTHING_LOST, "killed": given - len(stored)}
    assert status["stored"]["calls"] == len(stored)
    assert len(lost) <= status["lost"]["killed"]
    assert not callers.refused
    age_s = max(
        (min(at - callers.answered[n] for at in killed_at if at >= callers.answered[n]) for n in lost), default=0.0
    )
    say(
        f"{SIZES.log_kills} servers killed: {given:,} calls given, {given - len(stored)} lost and counted, none twice; "
    )
    say(f"the oldest lost answer had arrived {age_s:.2f} s before the kill")


def test_a_killed_recorder_loses_nothing(server: Server, say: Say) -> None:
    chance = random.Random(SEED)
    callers = Callers(server)
    with callers.calling():
        for _ in range(SIZES.log_kills):
            _wait_for_answers(callers, chance.randint(50, 300))
            _recorder_of(server).kill()
        _wait_for_answers(callers, 100)
    status = _settled(server)

    stored = stored_numbers(server)
    assert sorted(stored) == sorted(callers.answered)
    assert status["lost"] == NOTHING_LOST
    assert not callers.refused
    say(f"{SIZES.log_kills} recorders killed: {len(stored):,} calls, none lost, none twice")


def test_a_recorder_that_stands_still_disturbs_nobody_and_what_overflows_is_counted(
    small_queue_server: Server, say: Say
) -> None:
    server = small_queue_server
    callers = Callers(server, text_chars=100_000)
    with callers.calling():
        _wait_for_answers(callers, 50)
        recorder = _recorder_of(server)
        recorder.suspend()
        before = len(callers.answered)
        time.sleep(SIZES.log_pause_s)
        wait_until(lambda: log_status(server)["lost"]["overflow"], "the queue overflows")
        meanwhile = len(callers.answered) - before
        recorder.resume()
        _wait_for_answers(callers, 50)
    status = _settled(server)

    stored = stored_numbers(server)
    overflow = status["lost"]["overflow"]
    assert meanwhile > 50
    assert len(stored) == len(set(stored)) == len(callers.answered) - overflow
    assert status["lost"] == {**NOTHING_LOST, "overflow": overflow}
    assert set(stored) <= callers.answered.keys()
    assert not callers.refused
    assert "logged_calls_lost" in server.log
    say(f"recorder stopped for {SIZES.log_pause_s:.0f} s: {meanwhile:,} calls answered, {overflow:,} lost, counted")


def test_an_orderly_stop_under_load_stores_what_was_answered(server: Server, say: Say) -> None:
    callers = Callers(server)
    with callers.calling():
        _wait_for_answers(callers, 200)
        assert server.stop() == 0
    server.restart()
    status = _settled(server)

    stored = stored_numbers(server)
    assert len(stored) == len(set(stored))
    assert callers.answered.keys() <= set(stored) <= callers.sent
    assert status["lost"] == NOTHING_LOST
    say(f"stopped under load: all {len(callers.answered):,} answered calls are stored")


def _wait_for_answers(callers: Callers, count: int) -> None:
    wanted = len(callers.answered) + count
    wait_until(lambda: len(callers.answered) >= wanted, f"{count} more calls are answered")


def _recorder_of(server: Server) -> psutil.Process:
    wait_until(lambda: recorders_of(server.data_dir), "the recorder is up")
    return recorders_of(server.data_dir)[0]


def _settled(server: Server) -> dict[str, Any]:
    """Return the state of logging once nothing waits and nothing is in question."""
    status = log_status(server)

    def is_settled() -> bool:
        nonlocal status
        status = log_status(server)
        return not status["pending"] and not status["in_question"]

    wait_until(is_settled, "everything that was offered is stored")
    return status
