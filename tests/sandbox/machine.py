"""What the tests of the sandbox need from a machine, and the driver's process."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evalhaven.sandbox.interpreters import examine_interpreter
from evalhaven.sandbox.launch import find_bwrap

STRANGER = 54_321
"""A user without any power, and without a name."""
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_TIMEOUT_S = 300


def is_open_to_all(path: Path) -> bool:
    """Tell whether any user may read below a directory."""
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (path, *path.parents))


def find_shared_python() -> Path | None:
    """Return an interpreter that every user of this machine can run; None: there is none."""
    for python in (Path(sys.executable), _SYSTEM_PYTHON):
        if python.exists() and is_open_to_all(examine_interpreter(python).prefix):
            return python
    return None


def skip_without_bwrap() -> None:
    """Skip a test of namespaces if this machine cannot make them."""
    if find_bwrap() is None:
        pytest.skip("bubblewrap is not on this machine; on Debian: apt install bubblewrap")


def user_ids(name: str) -> int:
    """Return the user that the driver becomes: `root`, or an unprivileged one; 0: it keeps its user."""
    return STRANGER if name == "stranger" and os.geteuid() == 0 else 0


@contextmanager
def open_directory(user: int) -> Generator[Path]:
    """Make a directory that every user can reach, and that belongs to one of them."""
    directory = Path(tempfile.mkdtemp(prefix="evalhaven-test-"))
    try:
        if user:
            os.chown(directory, user, user)
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory)


def driver_command(orders: dict[str, Any]) -> list[str]:
    """Return the command of a driver."""
    return [sys.executable, "-m", "tests.sandbox.driver", json.dumps(orders)]


def drive(orders: dict[str, Any]) -> dict[str, Any]:
    """Run a driver to its end and return what it found."""
    answer = subprocess.run(driver_command(orders), capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    assert answer.returncode == 0, answer.stderr[-4000:]
    assert answer.stderr == ""
    return json.loads(answer.stdout)


def attack(orders: dict[str, Any], user: int) -> dict[str, Any]:
    """Run the table of attacks and return the outcomes."""
    with open_directory(user) as directory:
        places = {name: directory / name for name in ("victim", "scratch", "packages")}
        for place in places.values():
            place.mkdir()
            if user:
                os.chown(place, user, user)
        orders = {**orders, "mode": "attack", "user": user, "directory": str(places["victim"])}
        return drive({**orders, "scratch": str(places["scratch"]), "target_packages": str(places["packages"])})
