"""Facts about how skipped tests and soak tests are counted."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

SKIPS = {
    "mark": "@pytest.mark.skip(reason='no such thing here')\ndef test_it(): pass",
    "condition": "@pytest.mark.skipif(True, reason='no such thing here')\ndef test_it(): pass",
    "body": "def test_it(): pytest.skip('no such thing here')",
    "fixture": ("@pytest.fixture\ndef thing(): pytest.skip('no such thing here')\n\ndef test_it(thing): pass"),
    "teardown": (
        "@pytest.fixture\ndef thing():\n    yield\n    pytest.skip('no such thing here')\n\ndef test_it(thing): pass"
    ),
    "module": "pytest.skip('no such thing here', allow_module_level=True)\n\ndef test_it(): pass",
    "unittest": (
        "import unittest\n\nclass TestIt(unittest.TestCase):\n"
        "    def test_it(self): self.skipTest('no such thing here')"
    ),
    "import": "pytest.importorskip('no_such_module', reason='no such thing here')\n\ndef test_it(): pass",
}


def run_source(pytester: pytest.Pytester, source: str, *args: str) -> pytest.RunResult:
    """Run a test module under the rules of this suite."""
    pytester.makepyfile(f"import pytest\n\n{source}\n")
    return pytester.runpytest_inprocess("-p", "tests.require_all", "-p", "no:cov", *args)


@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS.keys())
def test_skip_fails_and_says_why_when_all_tests_are_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("EVALHAVEN_REQUIRE_ALL", "1")

    result = run_source(pytester, source)

    assert result.ret in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}
    assert "skipped" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(["*EVALHAVEN_REQUIRE_ALL=1 lets no test be skipped*no such thing here*"])


@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS.keys())
def test_skip_stays_a_skip_otherwise(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.delenv("EVALHAVEN_REQUIRE_ALL", raising=False)

    result = run_source(pytester, source)

    assert result.ret in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    assert result.parseoutcomes()["skipped"] == 1


def test_expected_failure_and_passing_test_are_left_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALHAVEN_REQUIRE_ALL", "1")

    result = run_source(pytester, "@pytest.mark.xfail(reason='known')\ndef test_a(): assert 0\n\ndef test_b(): pass")

    assert result.ret is pytest.ExitCode.OK
    assert result.parseoutcomes() == {"passed": 1, "xfailed": 1}


@pytest.mark.parametrize(("is_soak", "outcomes"), [("0", {"passed": 2, "deselected": 1}), ("1", {"passed": 3})])
def test_soak_test_is_deselected_and_not_skipped_at_reduced_size(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    repository: Path,
    is_soak: str,
    outcomes: dict[str, int],
) -> None:
    monkeypatch.setenv("EVALHAVEN_SOAK", is_soak)
    monkeypatch.setenv("EVALHAVEN_SEED", "42")
    monkeypatch.setenv("PYTHONPATH", str(repository))
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini("[pytest]\nmarkers =\n    soak: full size only\n    proof: either size\n")
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.soak\ndef test_a(): pass\n\n"
        "@pytest.mark.proof\ndef test_b(): pass\n\ndef test_c(): pass"
    )

    # A process of its own: the sizes are chosen when tests.sizes is imported.
    result = pytester.runpytest_subprocess("-p", "no:cov", "--strict-markers")

    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes() == outcomes
    result.stdout.fnmatch_lines([f"evalhaven: sizes: {'full' if is_soak == '1' else 'reduced'}*SEED=42"])
