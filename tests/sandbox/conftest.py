"""Interpreters for tests of the sandbox."""

import os
import sys
from pathlib import Path

import pytest

from evalhaven.sandbox.environment import Tier
from tests.sandbox.machine import find_shared_python


@pytest.fixture(scope="session", autouse=True)
def on_linux() -> None:
    if sys.platform != "linux":
        pytest.skip("sandboxes exist on Linux only")


@pytest.fixture(scope="session")
def shared_python() -> Path:
    """Return an interpreter that an unprivileged user can run too."""
    python = find_shared_python()
    if python is None:
        pytest.skip("no interpreter here can be run by every user")
    return python


@pytest.fixture(params=["root", "stranger"])
def user(request: pytest.FixtureRequest) -> str:
    """Return who runs the server: root, or an unprivileged user."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("only root can be root")
    return request.param


@pytest.fixture(params=[Tier.FULL, Tier.LANDLOCK, Tier.NAMESPACES], ids=str)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Return each tier that is really a sandbox."""
    return request.param
