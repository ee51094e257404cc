"""No test is lost between the tiers of the suite, and each gets its tier by what it is."""

import subprocess
import sys
from pathlib import Path

import pytest

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
@pytest.mark.timeout(600)  # it collects the suite three times
def test_both_tiers_together_are_the_suite(repository: Path) -> None:
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    printed = list[str]()
    for options in ([], ["--tier=first"], ["--tier=rest"]):
        done = subprocess.run([*collect, *options], cwd=repository, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:]
        printed.append(done.stdout)
    whole, first, rest = (sorted(line for line in text.splitlines() if "::" in line) for text in printed)

    assert min(len(first), len(rest)) > 100
    assert sorted(first + rest) == whole
    assert len(set(whole)) == len(whole)


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
