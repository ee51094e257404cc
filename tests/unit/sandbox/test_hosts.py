"""Starting hosts: what a start that fails leaves behind."""

import itertools
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from evalhaven.sandbox.environment import LAYERS, Environment, Tier
from evalhaven.sandbox.hosts import HostStarter, HostStartError
from evalhaven.sandbox.limits import Limits

HERE = Environment(Path(sys.executable))
_ENOUGH = 16


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted there")
def test_a_host_for_which_there_are_too_few_descriptors_leaves_none_behind() -> None:
    starter = HostStarter(LAYERS[Tier.OFF], Limits(), [])
    starter.end(starter.start(HERE))
    before, failed = list_descriptors(), list[int]()
    for more in range(_ENOUGH + 1):
        host = None
        # The limit is on numbers, and a new descriptor takes the lowest that is free: so many are left to take.
        with open_descriptors_limited(nth_free(before, more)), suppress(OSError, HostStartError):
            host = starter.start(HERE)
        if host is None:
            failed.append(more)
            assert list_descriptors() == before
        else:
            starter.end(host)
    starter.close()

    # Both ends of three pipes and the file of errors come first; each start has one more than the one before.
    assert len(failed) > 7
    assert failed == [*range(len(failed))]
    assert len(failed) <= _ENOUGH


@contextmanager
def open_descriptors_limited(limit: int) -> Generator[None]:
    import resource  # noqa: PLC0415 - not on every platform

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def nth_free(taken: set[int], count: int) -> int:
    """Return the limit below which so many numbers are free."""
    return next(itertools.islice((number for number in itertools.count() if number not in taken), count, None))


def list_descriptors() -> set[int]:
    """Return the numbers of what is open; the directory that tells them is open only while it is read."""
    return {number for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()] if is_open(number)}


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
