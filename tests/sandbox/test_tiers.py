"""Which tier a machine gets, what is missing there, and what holds in each."""

import json
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from evalhaven.sandbox.environment import Tier
from evalhaven.sandbox.interpreters import examine_interpreter
from tests.sandbox.machine import drive, driver_command, is_open_to_all, open_directory, skip_without_bwrap, user_ids

_GONE_WITHIN_S = 1.0
_READS_NUMPY = """
import asyncio, concurrent.futures, tempfile
import numpy

def grade(sample, item):
    async def nothing():
        await asyncio.sleep(0)
    asyncio.run(nothing())
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        total = sum(threads.map(float, range(10)))
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    numpy.linalg.solve(numpy.random.rand(200, 200), numpy.random.rand(200))
    return numpy.mean([total, 46])
"""


@cache
def choose(tier: Tier, python: Path, user: str) -> dict[str, Any]:
    return drive({"mode": "choose", "tier": tier, "python": str(python), "user": user_ids(user)})


def skip_without(tier: Tier, python: Path, user: str) -> None:
    found = choose(tier, python, user)
    if found["tier"] is None:
        pytest.skip(f"this machine has no tier {tier} for {user}: {found['rejected']}")


def test_best_tier_is_chosen(shared_python: Path, user: str) -> None:
    skip_without(Tier.FULL, shared_python, user)

    found = drive({"mode": "choose", "python": str(shared_python), "user": user_ids(user)})

    assert found == {"tier": "full", "rejected": {}}


def test_landlock_carries_where_namespaces_are_refused_as_in_a_container(shared_python: Path, user: str) -> None:
    skip_without_bwrap()
    skip_without(Tier.LANDLOCK, shared_python, user)

    orders = {"mode": "choose", "python": str(shared_python), "user": user_ids(user), "blocked": ["namespaces"]}
    found = drive(orders)

    assert found["tier"] == "landlock"
    assert set(found["rejected"]) == {"full"}
    assert "bwrap: No permissions to create new namespace" in found["rejected"]["full"]


def test_namespaces_carry_where_the_kernel_has_no_landlock(shared_python: Path, user: str) -> None:
    skip_without(Tier.NAMESPACES, shared_python, user)

    orders = {"mode": "choose", "python": str(shared_python), "user": user_ids(user), "blocked": ["landlock"]}
    found = drive(orders)

    assert found["tier"] == "namespaces"
    assert set(found["rejected"]) == {"full", "landlock"}
    assert all("has no Landlock" in reason for reason in found["rejected"].values())


def test_graders_are_refused_where_neither_holds(shared_python: Path, user: str) -> None:
    blocked = ["landlock", "namespaces"]
    found = drive({"mode": "choose", "python": str(shared_python), "user": user_ids(user), "blocked": blocked})

    assert found["tier"] is None
    assert set(found["rejected"]) == {"full", "landlock", "namespaces"}
    assert all(found["rejected"].values())


def test_a_tier_that_was_asked_for_is_not_replaced(shared_python: Path) -> None:
    orders = {"mode": "choose", "python": str(shared_python), "user": user_ids("stranger"), "blocked": ["landlock"]}
    found = drive({**orders, "tier": "landlock"})

    assert found["tier"] is None
    assert set(found["rejected"]) == {"landlock"}


def test_a_canary_that_can_be_opened_rejects_a_tier(shared_python: Path, tier: Tier) -> None:
    skip_without(tier, shared_python, "stranger")
    # It lies where every host must be able to read.
    canary = examine_interpreter(shared_python).library_directories[0]

    orders = {"mode": "choose", "tier": tier, "python": str(shared_python), "user": user_ids("stranger")}
    found = drive({**orders, "canaries": [str(canary)]})

    if tier is Tier.LANDLOCK or canary.is_relative_to("/usr"):
        assert found["tier"] is None
        assert found["rejected"][tier] == f"the sandbox leaks: a host opened {canary}"
    else:
        assert found["tier"] == tier


def test_root_is_told_of_an_interpreter_that_others_cannot_read(shared_python: Path) -> None:
    skip_without(Tier.LANDLOCK, shared_python, "root")
    with open_directory(0) as directory:
        (directory / "packages").mkdir(mode=0o700)
        orders = {"mode": "choose", "tier": "landlock", "python": str(shared_python)}
        found = drive({**orders, "packages": [str(directory / "packages")]})

    assert found["tier"] is None
    assert "packages cannot be read in the sandbox" in found["rejected"]["landlock"]


def test_libraries_work(shared_python: Path, tier: Tier, user: str) -> None:
    skip_without(tier, shared_python, user)
    packages = Path(sys.prefix) / f"lib/python3.{sys.version_info.minor}/site-packages"
    version = subprocess.run([shared_python, "-V"], capture_output=True, text=True, check=True).stdout
    if f" 3.{sys.version_info.minor}." not in version or not is_open_to_all(packages):
        pytest.skip(f"the packages of these tests cannot be used by {shared_python}, {version.strip()}")

    orders = {"mode": "grade", "tier": tier, "python": str(shared_python), "user": user_ids(user)}
    found = drive({**orders, "packages": [str(packages)], "source": _READS_NUMPY})

    assert found == {"score": 45.5, "error": None, "message": ""}


@pytest.mark.parametrize(
    ("excess", "kind"),
    [
        ("kept = bytearray(200 << 20)", "memory"),
        ("import _thread\n    for _ in range(40):\n        _thread.start_new_thread(time.sleep, (60,))", "threads"),
    ],
)
def test_watchdog_sees_what_the_kernel_let_pass(shared_python: Path, tier: Tier, excess: str, kind: str) -> None:
    skip_without(tier, shared_python, "stranger")
    source = f"import time\ndef grade(sample, item):\n    {excess}\n    time.sleep(60)"
    orders = {"mode": "grade", "tier": tier, "python": str(shared_python), "user": user_ids("stranger")}
    limits = {"memory_bytes": 64 << 20, "threads": 20}
    found = drive({**orders, "source": source, "changes": {"rlimits": False}, "limits": limits})

    assert found["error"] == kind


def test_no_host_is_left_a_second_after_the_server_was_killed(shared_python: Path, tier: Tier, user: str) -> None:
    skip_without(tier, shared_python, user)
    orders = {"mode": "hold", "tier": tier, "python": str(shared_python), "user": user_ids(user)}
    with open_directory(user_ids(user)) as directory:
        command = driver_command({**orders, "scratch": str(directory)})
        with subprocess.Popen(command, stdout=subprocess.PIPE) as driver:
            assert driver.stdout is not None
            pids = json.loads(driver.stdout.readline())["pids"]
            assert all(psutil.pid_exists(pid) for pid in pids)
            driver.kill()
            deadline = time.monotonic() + _GONE_WITHIN_S
            while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < deadline:
                time.sleep(0.01)

    assert len(pids) == 3
    assert left == []


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
