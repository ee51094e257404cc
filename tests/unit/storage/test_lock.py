"""Facts about the lock on a data directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evalhaven.storage.lock import DataDirectoryInUseError, lock_data_directory


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
