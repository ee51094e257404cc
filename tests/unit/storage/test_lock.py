"""Facts about the lock on a data directory."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalhaven.storage.lock import DataDirectoryInUseError, Holder, find_holder, lock_data_directory


def test_a_second_lock_is_refused_with_the_process_that_holds_it(tmp_path: Path) -> None:
    lock = lock_data_directory(tmp_path)
    with pytest.raises(DataDirectoryInUseError, match=rf"in use by another Evalhaven server \(process {os.getpid()}\)"):
        lock_data_directory(tmp_path, wait_s=0)
    lock.release()


def test_a_released_directory_can_be_locked_again(tmp_path: Path) -> None:
    for _ in range(2):
        lock_data_directory(tmp_path, wait_s=0).release()


def test_two_directories_are_locked_apart(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    locks = [lock_data_directory(tmp_path), lock_data_directory(tmp_path / "other", wait_s=0)]
    for lock in locks:
        lock.release()


def test_a_lock_is_waited_for_a_little(tmp_path: Path) -> None:
    holder = lock_data_directory(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"], pass_fds=(holder.descriptor,)):
        holder.release()
        lock_data_directory(tmp_path, wait_s=20).release()


def test_what_a_killed_server_left_behind_is_waited_for_beyond_that(tmp_path: Path) -> None:
    holder = lock_data_directory(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        pass
    os.pwrite(holder.descriptor, f"{killed.pid}\n".encode().ljust(20), 0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"], pass_fds=(holder.descriptor,)):
        holder.release()
        with pytest.raises(DataDirectoryInUseError, match=f"process {killed.pid}"):
            lock_data_directory(tmp_path, wait_s=0)
        lock_data_directory(tmp_path, wait_s=0.01).release()


@pytest.mark.parametrize("written", ["", "unknown", "-", "9" * 30, str(os.getppid())])
def test_a_holder_that_may_be_there_is_not_taken_for_gone(tmp_path: Path, written: str) -> None:
    holder = lock_data_directory(tmp_path)
    os.ftruncate(holder.descriptor, 0)
    os.pwrite(holder.descriptor, f"{written}\n".encode(), 0)
    with pytest.raises(DataDirectoryInUseError):
        lock_data_directory(tmp_path, wait_s=0.01)
    holder.release()


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    holder = lock_data_directory(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(holder.descriptor,)
    ) as child:
        holder.release()
        with pytest.raises(DataDirectoryInUseError):
            lock_data_directory(tmp_path, wait_s=0)
        child.communicate()

    lock_data_directory(tmp_path, wait_s=0).release()


def test_the_lock_is_not_inherited_by_accident(tmp_path: Path) -> None:
    holder = lock_data_directory(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        holder.release()
        lock_data_directory(tmp_path, wait_s=0).release()
        child.communicate()


def test_a_look_at_who_holds_a_directory_makes_and_holds_nothing(tmp_path: Path) -> None:
    assert find_holder(tmp_path / "none") is None
    assert find_holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    lock = lock_data_directory(tmp_path)
    assert find_holder(tmp_path) == Holder(str(os.getpid()), None)
    lock.announce("http://127.0.0.1:1")
    assert find_holder(tmp_path) == Holder(str(os.getpid()), "http://127.0.0.1:1")
    lock.release()
    # What the server wrote is still there, but no longer true.
    assert find_holder(tmp_path) is None
    lock_data_directory(tmp_path, wait_s=0).release()


def test_who_looks_is_not_taken_for_a_server_by_another_who_looks(tmp_path: Path) -> None:
    lock_data_directory(tmp_path).release()
    with (tmp_path / "lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert find_holder(tmp_path) is None
