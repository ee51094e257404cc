"""Starting hosts: what a start that fails leaves behind."""

import sys
from pathlib import Path

import pytest

from evalhaven.sandbox.environment import LAYERS, Environment, Tier
from evalhaven.sandbox.hosts import HostStarter, HostStartError
from evalhaven.sandbox.limits import Limits
from tests.unit.sandbox.test_scratch import open_descriptors_limited

HERE = Environment(Path(sys.executable))


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted there")
def test_a_host_for_which_there_are_too_few_descriptors_leaves_none_behind() -> None:
    starter = HostStarter(LAYERS[Tier.OFF], Limits(), [])
    starter.end(starter.start(HERE))
    before, failed = count_descriptors(), 0
    for more in range(16):
        with open_descriptors_limited(before + more):
            try:
                host = starter.start(HERE)
            except (OSError, HostStartError):
                failed += 1
                assert count_descriptors() == before
                continue
        starter.end(host)
    starter.close()

    assert failed > 3


def count_descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])
