"""Fixtures and rules for all tests."""

import gc
import os
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from tests.sizes import IS_SOAK, SEED, SIZES

pytest_plugins = [
    "tests.databases",
    "tests.figures",
    "tests.grouping",
    "tests.llama.server",
    "tests.require_all",
    "tests.tiers",
]

REPOSITORY = Path(__file__).resolve().parents[1]

# Each of the hundreds of processes that tests start would compile all of Evalhaven again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The one profile: of several, the one loaded last would rule all tests of a process.
hypothesis.settings.register_profile(
    "evalhaven",
    # A deadline measures the machine, and shared machines pause; pytest-timeout ends what truly hangs.
    deadline=None,
    print_blob=True,
    # The same examples every time, unless a soak looks for new ones.
    derandomize=not IS_SOAK,
    max_examples=SIZES.examples,
    # What examples share (a database, a directory) is made so that they cannot disturb each other.
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("evalhaven")


# A shell starts background jobs with SIGINT ignored, and processes under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _describe_sizes() -> str:
    return f"sizes: {'full' if IS_SOAK else 'reduced'}, EVALHAVEN_SEED={SEED}"


def pytest_report_header() -> str:
    """Say which sizes the proofs have, and the seed that repeats them."""
    return f"evalhaven: {_describe_sizes()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Repeat sizes and seed beside the result, where a closing note is copied from."""
    terminalreporter.write_line(_describe_sizes())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests that make sense at full size only, unless EVALHAVEN_SOAK=1."""
    if IS_SOAK:
        return
    left_out = [item for item in items if item.get_closest_marker("soak")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


# Modules and tests stay to the end: to look for garbage among them takes a third of the CPU of collecting them.
gc.disable()
# What tests leave is looked through less often than by default, which would take an eighth of their processes' CPU.
_COLLECT_AFTER = (20_000, 20, 50)


def pytest_collection_finish() -> None:
    """Look for garbage from here on, and only among what tests make."""
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, which is what the server runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of this checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the directory of the published contract and data sets, which is not part of the repository."""
    path = REPOSITORY.parent / "shared"
    if not path.is_dir():
        pytest.skip(f"{path} is not beside this checkout")
    return path
