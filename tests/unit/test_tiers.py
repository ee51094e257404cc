"""No test is lost between the tiers of the suite, and each gets its tier by what it is."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.tiers import is_repeated

TESTS = Path(__file__).parents[1]

_SOURCE = """
import pytest

@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request): return request.param

@pytest.fixture
def postgres(): pass

def test_feature(): pass
def test_on_each(database_kind): pass
def test_of_the_server(postgres): pass

@pytest.mark.proof
def test_by_volume(): pass

@pytest.mark.slow
def test_for_long(): pass
"""


@pytest.mark.slow
@pytest.mark.timeout(600)  # it collects the suite
def test_the_first_tier_is_read_without_the_directories_of_the_other(repository: Path) -> None:
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*collect, "--tier=first"], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    first = [line for line in done.stdout.splitlines() if "::" in line]

    # What it leaves out is in the rest, which reads everything and asks the same question.
    assert len(first) == len(set(first)) > 100
    assert not [name for name in first if name.startswith(("tests/clients", "tests/generated", "tests/hostile"))]


def test_the_check_repeats_every_third_test_on_postgresql_and_what_is_about_databases() -> None:
    contract, storage = TESTS / "contract/test_runs.py", TESTS / "unit/storage/test_runs.py"
    names = [f"test_runs.py::test_{number}" for number in range(300)]
    ids = {f"{name}[{kind}]" for name in names for kind in ("sqlite", "postgresql")}

    def kept(path: Path, kind: str, *, is_proof: bool = False) -> list[str]:
        return [name for name in names if is_repeated(_item(path, f"{name}[{kind}]", kind, is_proof=is_proof), ids)]

    assert kept(contract, "sqlite") == kept(storage, "postgresql") == names
    assert kept(contract, "postgresql", is_proof=True) == names
    assert 60 < len(kept(contract, "postgresql")) < 140
    assert kept(contract, "postgresql") == kept(contract, "postgresql")
    assert is_repeated(_item(contract, "test_only_there[postgresql]", "postgresql"), ids)


def _item(path: Path, name: str, kind: str, *, is_proof: bool = False) -> pytest.Item:
    spec = SimpleNamespace(params={"database_kind": kind})

    def find_mark(_name: str) -> bool | None:
        return is_proof or None

    return cast("pytest.Item", SimpleNamespace(nodeid=name, path=path, callspec=spec, get_closest_marker=find_mark))


@pytest.mark.parametrize(
    ("tier", "names"),
    [
        ("first", ["test_feature", "test_on_each[sqlite]"]),
        ("rest", ["test_on_each[postgresql]", "test_of_the_server", "test_by_volume", "test_for_long"]),
    ],
)
def test_a_test_gets_its_tier_by_its_database_and_marks(pytester: pytest.Pytester, tier: str, names: list[str]) -> None:
    pytester.makeini("[pytest]\nmarkers =\n    proof: either size\n    slow: long\n")
    pytester.makepyfile(_SOURCE)

    result = pytester.runpytest_inprocess("-p", "tests.tiers", "-p", "no:cov", f"--tier={tier}", "-v")

    assert result.parseoutcomes() == {"passed": len(names), "deselected": 6 - len(names)}
    for name in names:
        result.stdout.fnmatch_lines([f"*::{name.replace('[', '[[]')} PASSED*"])
