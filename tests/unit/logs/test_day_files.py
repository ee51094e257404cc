"""Facts about day files alone: what is in the directory, and what damage, kills and other processes do to it."""

import asyncio
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import structlog.testing

from evalhaven.domain.logged_calls import CallFilter
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.day_files import files
from evalhaven.logs.day_files.directory import Directory
from evalhaven.logs.day_files.inserts import insert
from evalhaven.logs.day_files.layout import DayFile
from evalhaven.logs.day_files.limits import DayFileLimits, most_kept
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.day_files.tables import OpenFile
from evalhaven.logs.keys import day_of
from tests.unit.logs.logged import CHAT, DAY_S, NOON, OTHER_PROJECT, StandingClock, chat, ids, pinned

DAY, DAY_BEFORE = "2025-11-26.db", "2025-11-25.db"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
async def store(directory: Path) -> AsyncGenerator[DayFileStore]:
    store = DayFileStore(directory, StandingClock(), DayFileLimits(most_calls=10))
    yield store
    await store.close()


_ADDING = """
import asyncio, sys
from contextlib import closing
from pathlib import Path
from evalhaven.domain.clock import Clock
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.day_files.tables import OpenFile
from tests.unit.logs.logged import NOON, chat

async def main():
    store = DayFileStore(Path(sys.argv[1]), Clock())
    for first in range(0, 4_000, 20):
        await store.add([chat(number, NOON + number % 5 - number % 3 * 86_400) for number in range(first, first + 20)])
        print(first + 20, flush=True)

asyncio.run(main())
"""
_CHANGING = """
import asyncio, sys
from contextlib import closing
from pathlib import Path
from evalhaven.domain.clock import Clock
from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.day_files.limits import DayFileLimits
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.day_files.tables import OpenFile
from tests.unit.logs.logged import NOON, chat

async def main():
    store = DayFileStore(Path(sys.argv[1]), Clock(), DayFileLimits(most_calls=100))
    own = int(sys.argv[2]) * 1_000
    added = 0
    for first in range(0, 200, 10):
        numbers = [*range(first, first + 5), *range(own + first, own + first + 5)]
        added += await store.add([chat(number, NOON + number % 3) for number in numbers])
        await store.set_metadata(DEFAULT_PROJECT, CallKind.CHAT, f"chatcmpl-{first}", {"by": sys.argv[2]})
        assert await store.delete(DEFAULT_PROJECT, CallKind.CHAT, f"chatcmpl-{own + first}")
    print(added)

asyncio.run(main())
"""


def killed_while_adding(directory: Path, least: int) -> int:
    """Kill a process once it has added so many calls; return how many it said it had added."""
    said = 0
    with subprocess.Popen(
        [sys.executable, "-c", _ADDING, str(directory)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = int(line)
            if said >= least:
                break
        process.send_signal(signal.SIGKILL)
    return said


def added_at_once(directory: Path, processes: int) -> list[int]:
    """Let processes add, change and delete calls side by side; return how many each has added."""
    started = [
        subprocess.Popen([sys.executable, "-c", _CHANGING, str(directory), str(number)], stdout=subprocess.PIPE)
        for number in range(1, processes + 1)
    ]
    added = [int(process.communicate()[0]) for process in started]
    assert {process.returncode for process in started} == {0}
    return added


def opened_files(directory: Path) -> list[str]:
    """Return the day files that this process has open."""
    paths = (os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir())
    return [path for path in paths if path.startswith(str(directory)) and path.endswith(".db")]


def open_to_others(directory: Path) -> list[Path]:
    """Return what other users have access to."""
    return [path for path in (directory, *directory.iterdir()) if path.stat().st_mode & 0o077]


def names(directory: Path) -> list[str]:
    """Return the names of the day files."""
    return sorted(path.name for path in directory.glob("*.db"))


async def test_a_day_has_a_file_for_its_owner_only(store: DayFileStore, directory: Path) -> None:
    before = os.umask(0)
    try:
        await store.add([chat(1), chat(2, NOON - DAY_S)])
    finally:
        os.umask(before)

    assert names(directory) == [DAY_BEFORE, DAY]
    assert open_to_others(directory) == []


async def test_a_full_day_goes_on_in_another_file_as_if_it_were_one(store: DayFileStore, directory: Path) -> None:
    for first in range(0, 60, 6):
        await store.add([chat(number, NOON + number % 7) for number in range(first, first + 6)])
    expected = [f"chatcmpl-{number}" for number in sorted(range(60), key=lambda number: (-(number % 7), -number))]

    assert names(directory) == sorted([DAY, *(f"2025-11-26.{roll}.db" for roll in range(1, 5))])
    assert await ids(store) == expected
    assert await ids(store, order="asc") == expected[::-1]
    walked: list[str] = []
    while part := await ids(store, limit=7, after=walked[-1] if walked else None):
        walked += part
    assert walked == expected
    keys = await pinned(store)
    assert [call and call.id for call in await store.read(DEFAULT_PROJECT, keys)] == expected
    assert await store.add([chat(number, NOON + number % 7) for number in range(60)]) == 0
    assert await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-3")
    assert (await store.measure()).calls == 59


async def test_more_calls_than_a_second_has_room_for(
    store: DayFileStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalhaven.logs.day_files.inserts.LARGEST_SEQUENCE", 3)
    for first in range(0, 9, 3):
        await store.add([chat(number) for number in range(first, first + 3)])

    assert await ids(store) == [f"chatcmpl-{number}" for number in range(8, -1, -1)]
    assert len(names(directory)) == 3


async def test_a_damaged_file_is_one_line_in_the_log_and_a_gap(store: DayFileStore, directory: Path) -> None:
    await store.add([chat(number, NOON - number * DAY_S, metadata={"a": "b"}) for number in range(3)])
    keys = await pinned(store)
    await store.close()
    (directory / DAY_BEFORE).write_bytes(b"not a database, but long enough to be looked at" * 100)

    with structlog.testing.capture_logs() as logged:
        reopened = DayFileStore(directory, StandingClock())
        for _ in range(2):
            assert await ids(reopened) == ["chatcmpl-0", "chatcmpl-2"]
            assert await ids(reopened, CallFilter(metadata={"a": "b"}, text="question")) == ["chatcmpl-0", "chatcmpl-2"]
            found = await reopened.read(DEFAULT_PROJECT, keys)
            assert [call and call.id for call in found] == ["chatcmpl-0", None, "chatcmpl-2"]
            assert await reopened.find(DEFAULT_PROJECT, CHAT, "chatcmpl-1") is None
        assert (await reopened.measure()).calls == 2
        # The day goes on in a new file.
        assert await reopened.add([chat(9, NOON - DAY_S)]) == 1
        assert await ids(reopened) == ["chatcmpl-0", "chatcmpl-9", "chatcmpl-2"]
        assert list(await reopened.drop(before_day="2025-11-26", most_bytes=None)) == ["2025-11-24", "2025-11-25"]
        await reopened.close()

    assert [(line["event"], Path(line["file"]).name) for line in logged] == [("log_file_unusable", DAY_BEFORE)]
    assert names(directory) == [DAY]


@pytest.mark.parametrize("kept", [0, 100, 9_000, 30_000])
async def test_a_file_that_was_cut_is_a_gap(store: DayFileStore, directory: Path, kept: int) -> None:
    await store.add([chat(1), chat(2, NOON - DAY_S)])
    await store.close()
    os.truncate(directory / DAY, kept)
    reopened = DayFileStore(directory, StandingClock())

    assert (await ids(reopened))[-1:] == ["chatcmpl-2"]
    assert await reopened.add([chat(3)]) == 1
    assert "chatcmpl-3" in await ids(reopened)
    await reopened.close()


async def test_a_damaged_call_is_a_gap(store: DayFileStore, directory: Path) -> None:
    await store.add([chat(1), chat(2)])
    with sqlite3.connect(directory / DAY) as connection:
        connection.execute("UPDATE calls SET data = x'28b52ffd00' WHERE row = (SELECT min(row) FROM calls)")
    connection.close()

    assert await ids(store) == ["chatcmpl-2"]
    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-1") is None


async def test_a_damaged_call_does_not_keep_others_of_its_project_from_being_dropped(
    store: DayFileStore, directory: Path
) -> None:
    image = f"data:image/png;base64,{'a' * 400}"
    await store.add([chat(number, NOON - DAY_S, answer=image) for number in range(3)])
    await store.add([chat(9, NOON - DAY_S, scope=OTHER_PROJECT, answer=image)])
    with sqlite3.connect(directory / DAY_BEFORE) as connection:
        connection.execute("UPDATE calls SET data = x'28b52ffd00' WHERE row = (SELECT min(row) FROM calls)")
    connection.close()

    assert [calls async for calls in store.drop_calls(DEFAULT_PROJECT, before_day="2025-11-26")] == [3]
    with sqlite3.connect(directory / DAY_BEFORE) as connection:
        assert connection.execute("SELECT uses FROM attached").fetchall() == [(2,)]
    connection.close()
    assert [day.calls for day in (await store.measure()).days] == [1]
    assert await store.count_by_day(DEFAULT_PROJECT) == {}
    assert await ids(store, scope=OTHER_PROJECT) == ["chatcmpl-9"]
    assert await store.add([chat(number, NOON - DAY_S) for number in range(3)]) == 3


async def test_what_dropped_calls_took_is_given_back_though_others_stay(directory: Path) -> None:
    store = DayFileStore(directory, StandingClock())
    for scope, step in ((DEFAULT_PROJECT, 1), (OTHER_PROJECT, 10)):
        numbers = range(0, 800, step)
        words = [" ".join(f"w{number * each % 9_973}" for each in range(1, 60)) for number in numbers]
        await store.add(
            [chat(n, NOON - DAY_S + n, scope=scope, answer=said) for n, said in zip(numbers, words, strict=True)]
        )
    before = (await store.measure()).size_bytes
    assert sum([calls async for calls in store.drop_calls(DEFAULT_PROJECT, before_day="2025-11-26")]) == 800
    assert (await store.measure()).size_bytes < before / 3
    assert len(await ids(store, CallFilter(text="w10"), scope=OTHER_PROJECT)) > 0
    await store.close()


@pytest.mark.parametrize("order", ["desc", "asc"])
async def test_a_page_is_never_empty_while_calls_follow(store: DayFileStore, directory: Path, order: Order) -> None:
    await store.add([chat(number) for number in range(1, 8)])
    with sqlite3.connect(directory / DAY) as connection:
        connection.execute(
            "UPDATE calls SET data = x'28b52ffd00' WHERE row <> (SELECT row FROM calls ORDER BY row LIMIT 1 OFFSET 3)"
        )
    connection.close()

    page = await store.page(DEFAULT_PROJECT, CallFilter(), limit=1, order=order)
    assert [call.id for call in page.calls] == ["chatcmpl-4"]
    last = await store.page(DEFAULT_PROJECT, CallFilter(), limit=1, order=order, after="chatcmpl-4")
    assert (last.calls, last.has_more) == ([], False)


async def test_a_file_that_disappears_is_a_gap(store: DayFileStore, directory: Path) -> None:
    await store.add([chat(1), chat(2, NOON - DAY_S)])
    keys = await pinned(store)
    (directory / DAY).unlink()

    assert await ids(store) == ["chatcmpl-2"]
    assert [call and call.id for call in await store.read(DEFAULT_PROJECT, keys)] == [None, "chatcmpl-2"]
    assert await store.add([chat(1)]) == 1
    assert await ids(store) == ["chatcmpl-1", "chatcmpl-2"]


async def test_other_files_in_the_directory_are_left_alone(store: DayFileStore, directory: Path) -> None:
    await store.add([chat(1)])
    others = ("notes.txt", "2025-13-45.db", "2025-11-25.0.db", "2025-11-25.999.db", "1969-12-31.db")
    for other in others:
        (directory / other).write_text("mine")

    assert await ids(store) == ["chatcmpl-1"]
    await store.drop(before_day="2030-01-01", most_bytes=0)
    assert all((directory / other).read_text() == "mine" for other in others)


async def test_calls_are_compressed_by_what_they_have_in_common(directory: Path) -> None:
    store = DayFileStore(directory, StandingClock(), DayFileLimits(learnt_from=200, relearnt_from=300))
    made = [
        chat(number, question=f"How do I {number * 7919} reset the password of my account?") for number in range(900)
    ]
    for first in range(0, 600, 100):
        await store.add(made[first : first + 100])
    await store.add([chat(number, NOON + DAY_S) for number in range(1_000, 1_400)])
    await store.add([chat(2_000, NOON + DAY_S)])
    await store.close()

    def dictionaries(day: str) -> tuple[list[int], dict[int, float]]:
        with sqlite3.connect(directory / day) as connection:
            owned = [row[0] for row in connection.execute("SELECT is_own FROM dictionaries ORDER BY number")]
            sizes = dict(connection.execute("SELECT dictionary, avg(length(data)) FROM calls GROUP BY 1").fetchall())
        connection.close()
        return owned, sizes

    owned, sizes = dictionaries(DAY)
    assert owned == [1]
    assert sizes[1] < sizes[0] / 2
    # The next day begins with what the day before has learnt, and then learns from its own calls.
    assert dictionaries("2025-11-27.db")[0] == [0, 1]
    reopened = DayFileStore(directory, StandingClock())
    assert await reopened.find(DEFAULT_PROJECT, CHAT, "chatcmpl-599") == made[599]
    assert await reopened.find(DEFAULT_PROJECT, CHAT, "chatcmpl-0") == made[0]
    await reopened.close()


async def test_only_so_many_files_are_kept_open(directory: Path) -> None:
    store = DayFileStore(directory, StandingClock(), DayFileLimits(most_kept=5))
    await store.add([chat(number, NOON - number * DAY_S) for number in range(12)])
    assert len(await ids(store)) == 12

    assert 0 < len(opened_files(directory)) <= 5
    await store.close()
    assert opened_files(directory) == []


@pytest.mark.parametrize(("allowed", "kept"), [(64, 32), (800, 100), (1024, 128), (1 << 20, 128), (-1, 128)])
def test_a_process_that_may_open_few_files_keeps_few(allowed: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def getrlimit(_resource: int) -> tuple[int, int]:
        return allowed, allowed

    monkeypatch.setattr("resource.getrlimit", getrlimit)

    assert most_kept() == kept


async def test_a_kill_leaves_what_was_committed_and_a_second_attempt_stores_the_rest(directory: Path) -> None:
    acknowledged = 0
    for attempt in range(4):
        acknowledged = max(acknowledged, killed_while_adding(directory, (attempt + 1) * 100))
        store = DayFileStore(directory, StandingClock())
        keys = await pinned(store)
        stored = [call.origin for call in await store.read(DEFAULT_PROJECT, keys) if call is not None]
        await store.close()
        assert len(stored) == len(keys) == len(set(stored))
        assert {f"test-chatcmpl-{number}" for number in range(acknowledged)} <= set(stored)
    assert acknowledged >= 400


async def test_processes_that_write_at_once_store_everything_once(directory: Path) -> None:
    added = added_at_once(directory, processes=3)

    assert sum(added) == 100 + 3 * 100
    store = DayFileStore(directory, StandingClock())
    keys = await pinned(store)
    stored = [call.id for call in await store.read(DEFAULT_PROJECT, keys) if call is not None]
    assert len(stored) == len(set(stored)) == 400 - 3 * 20
    assert len(await pinned(store, CallFilter(text="question"))) == len(stored)
    by = [len(await pinned(store, CallFilter(metadata={"by": str(number)}))) for number in range(1, 4)]
    assert sum(by) == 20
    await store.close()


async def test_what_waits_for_another_process_holds_up_nothing_else(store: DayFileStore, directory: Path) -> None:
    await store.add([chat(1), chat(2, NOON - DAY_S)])
    with closing(sqlite3.connect(directory / DAY, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        adding = asyncio.create_task(store.add([chat(3)]))
        deleting = asyncio.create_task(store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-1"))
        for _ in range(20):
            assert await ids(store) == ["chatcmpl-1", "chatcmpl-2"]
            assert await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-9") is False
        assert not adding.done()
        assert not deleting.done()
        other.execute("ROLLBACK")

    assert await adding == 1
    assert await deleting
    assert await ids(store) == ["chatcmpl-3", "chatcmpl-2"]


async def test_a_lock_that_is_never_released_ends_in_an_error_that_says_so(directory: Path) -> None:
    store = DayFileStore(directory, StandingClock(), DayFileLimits(longest_wait_s=0.1))
    await store.add([chat(1)])

    with Directory(directory, 0.1).locked(), pytest.raises(OSError, match="locked"):
        await store.add([chat(2)])
    with closing(sqlite3.connect(directory / DAY, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match="locked"):
            await store.add([chat(2)])
        with pytest.raises(OSError, match="locked"):
            await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-1")

    assert await store.add([chat(2)]) == 1
    assert await ids(store) == ["chatcmpl-2", "chatcmpl-1"]
    await store.close()


async def test_a_full_disk_stores_nothing_by_halves(store: DayFileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.add([chat(1)])

    def limit(opened: OpenFile, *arguments: object) -> bool:
        (pages,) = opened.connection.execute("PRAGMA page_count").fetchone()
        opened.connection.execute(f"PRAGMA max_page_count={pages}")
        return insert(opened, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(files, "insert", limit)
        with pytest.raises(OSError, match="full"):
            await store.add([chat(number, answer=random.Random(number).randbytes(50_000).hex()) for number in (2, 3)])

    assert await ids(store) == ["chatcmpl-1"]
    assert await store.add([chat(2)]) == 1
    assert await ids(store) == ["chatcmpl-2", "chatcmpl-1"]


async def test_a_removal_that_was_killed_leaves_nothing_to_a_new_file(store: DayFileStore, directory: Path) -> None:
    await store.add([chat(number) for number in range(5)])
    shutil.copy(directory / f"{DAY}-wal", directory / "kept")
    await store.close()
    (directory / DAY).unlink()
    (directory / "kept").rename(directory / f"{DAY}-wal")
    (directory / "unfinished").write_text("of a killed process")

    await store.add([chat(7)])

    assert await ids(store) == ["chatcmpl-7"]
    assert not (directory / "unfinished").exists()


def test_a_day_has_more_than_enough_files() -> None:
    assert DayFileLimits().most_calls * files.MOST_ROLLS > 100_000_000


@pytest.mark.parametrize("left", [0, 1, 2])
async def test_with_too_many_files_open_no_call_is_taken_for_gone(directory: Path, left: int) -> None:
    store = DayFileStore(directory, StandingClock())
    await store.add([chat(1)])
    await store.close()
    with _descriptors(left):
        for asking in (ids(store), store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-1"), store.add([chat(2)])):
            with pytest.raises(OSError, match="Too many open files"):
                await asking
    assert await ids(store) == ["chatcmpl-1"]
    assert await store.add([chat(2)]) == 1
    assert Directory(directory, 0.1).files() == [DayFile(day_of(NOON), 0)], "the day did not go on in another file"
    await store.close()


@contextmanager
def _descriptors(left: int) -> Generator[None]:
    """Keep this process from opening more than this many files."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    largest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (largest + 32, most))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for _ in range(left):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
        for descriptor in taken:
            os.close(descriptor)
