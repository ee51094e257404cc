"""Facts about the ledger, which outlives the process that writes it."""

from pathlib import Path

import pytest

from evalhaven.logs.handover.ledger import GivenCall, Ledger, Losses


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log-ledger"


def test_the_next_server_learns_which_calls_are_in_question(path: Path) -> None:
    ledger = Ledger.open(path, "first", places=10)
    assert [ledger.give(100 + n) for n in range(5)] == [1, 2, 3, 4, 5]
    ledger.note_acknowledged(2, unreadable=1)
    ledger.note_overflow()

    # The process is killed: nothing is closed.
    after = Ledger.open(path, "second", places=10)

    assert after.in_question() == [GivenCall(102, "first-3"), GivenCall(103, "first-4"), GivenCall(104, "first-5")]
    assert (after.given, after.acknowledged) == (0, 0)
    assert after.losses == Losses(overflow=1, unreadable=1)


def test_questions_stay_open_until_they_are_answered_however_many_servers_it_takes(path: Path) -> None:
    Ledger.open(path, "first", places=10).give(1)
    second = Ledger.open(path, "second", places=10)
    second.give(2)

    third = Ledger.open(path, "third", places=10)

    assert third.in_question() == [GivenCall(1, "first-1"), GivenCall(2, "second-1")]
    third.note_recounted(1)
    assert third.in_question() == []
    third.give(3)
    fourth = Ledger.open(path, "fourth", places=10)
    assert fourth.in_question() == [GivenCall(3, "third-1")]
    assert fourth.losses == Losses(killed=1)


def test_the_seconds_of_numbers_are_kept_while_they_are_needed_and_no_number_more_is_given(path: Path) -> None:
    ledger = Ledger.open(path, "first", places=3)
    for second in range(30):
        number = ledger.give(second)
        assert number is not None
        if number > 1:
            ledger.note_acknowledged(number - 1)
    assert (ledger.give(30), ledger.give(31), ledger.give(32)) == (31, 32, None)

    after = Ledger.open(path, "second", places=1)

    assert after.in_question() == [GivenCall(29, "first-30"), GivenCall(30, "first-31"), GivenCall(31, "first-32")]


def test_a_write_that_was_cut_off_leaves_the_figures_before_it(path: Path) -> None:
    ledger = Ledger.open(path, "first", places=10)
    ledger.give(1)
    before = path.read_bytes()
    ledger.give(2)
    after = path.read_bytes()
    # The second of the number is written first; it stands at the end of the file.
    *slot, second = (at for at in range(len(before)) if before[at] != after[at])
    changed = [second, *slot]

    for length in range(1, len(changed)):
        torn = bytearray(before)
        for at in changed[:length]:
            torn[at] = after[at]
        path.write_bytes(torn)
        in_question = Ledger.open(path, "second", places=10).in_question()
        assert in_question[0] == GivenCall(1, "first-1")
        assert in_question[1:] in ([], [GivenCall(2, "first-2")])


@pytest.mark.parametrize("damaged", [b"", b"EVHVNLG1", bytes(5000), b"something else" * 300])
def test_a_damaged_ledger_is_replaced(path: Path, damaged: bytes) -> None:
    path.write_bytes(damaged)

    ledger = Ledger.open(path, "second", places=10)

    assert (ledger.in_question(), ledger.losses) == ([], Losses())
    assert ledger.give(1) == 1


def test_without_a_place_on_the_disk_calls_are_given_numbers_all_the_same(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "missing" / "log-ledger", "first", places=10)

    assert ledger.give(1) == 1
    ledger.note_acknowledged(1)
    assert ledger.acknowledged == 1


def test_only_the_owner_reads_the_ledger(path: Path) -> None:
    Ledger.open(path, "first", places=10)

    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]
