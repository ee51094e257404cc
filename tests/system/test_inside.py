"""What the tests see of processes is true."""

import subprocess
import sys
from pathlib import Path

import psutil

from tests.system.client import wait_until
from tests.system.inside import executors_of


def test_a_forked_child_is_no_second_executor(tmp_path: Path) -> None:
    forking = "import os, time\nos.fork()\ntime.sleep(100)"
    parent = subprocess.Popen([sys.executable, "-c", forking, "executor", str(tmp_path)])
    try:
        wait_until(lambda: psutil.Process(parent.pid).children(), "there is a child")

        assert [process.pid for process in executors_of(tmp_path)] == [parent.pid]
    finally:
        for child in psutil.Process(parent.pid).children():
            child.kill()
        parent.kill()
        parent.wait()
