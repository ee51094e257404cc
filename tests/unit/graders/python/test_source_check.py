"""Sources are compiled in a child, never executed, and what keeps one from being a grader is reported with its line."""

import sys
from pathlib import Path

import pytest

from evalhaven.domain.errors import UnansweredError
from evalhaven.graders.python.source_check import SourceChecker, SourceProblem

GOOD = "def grade(sample, item):\n    return 1.0\n"


async def test_what_defines_grade_of_sample_and_item_is_a_grader() -> None:
    sources = [
        GOOD,
        "def grade(sample: dict, item: dict) -> float:\n    return 1.0\n",
        "def grade(sample, item, /):\n    return 1.0\n",
        "def grade(sample, item, threshold=0.5):\n    return 1.0\n",
        "def grade(sample, item, *more, key=1, **rest):\n    return 1.0\n",
        "import functools\n@functools.cache\ndef grade(sample, item):\n    return 1.0\n",
        "try:\n    import numpy\nexcept ImportError:\n    def grade(sample, item):\n        return 0.0\n",
        "if True:\n    pass\nelse:\n    def grade(sample, item):\n        return 1.0\n",
        "def grade(a):\n    return 1.0\n" + GOOD,
        "grade = None\n" + GOOD,
        "# é \U0001f600\n" + GOOD,
    ]

    assert await SourceChecker().find_problem(sources) is None


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("x = 1\ndef grade(sample, item)\n    return 1.0\n", 2, "is not valid Python: expected ':'"),
        (GOOD + "return 1.0\n", 3, "'return' outside function"),
        ("x = '\0'\n" + GOOD, None, "null bytes"),
        ("\ufeff" + GOOD, 1, "U+FEFF"),
        ("x = 1\n", None, "does not define 'grade'"),
        ("class Grader:\n    def grade(sample, item):\n        return 1.0\n", None, "does not define 'grade'"),
        ("def outer():\n    def grade(sample, item):\n        return 1.0\n", None, "does not define 'grade'"),
        ("\ndef grade(item, sample):\n    return 1.0\n", 2, "parameters (item, sample)"),
        ("def grade(sample):\n    return 1.0\n", 1, "parameters (sample)"),
        ("def grade(sample, item, more):\n    return 1.0\n", 1, "parameters (sample, item, more)"),
        ("def grade(sample, item, *more, key, **rest):\n    return 1.0\n", 1, "(sample, item, *more, key, **rest)"),
        ("def grade(*both):\n    return 1.0\n", 1, "parameters (*both)"),
        ("async def grade(sample, item):\n    return 1.0\n", 1, "coroutine"),
        ("grade = lambda sample, item: 1.0\n", 1, "something other than a function"),
        ("class grade:\n    pass\n", 1, "something other than a function"),
        ("x = '\ud800'\n" + GOOD, None, "not valid Unicode"),
    ],
)
async def test_what_is_not_a_grader_is_reported_with_its_line(source: str, line: int | None, message: str) -> None:
    problem = await SourceChecker().find_problem([GOOD, source])

    assert problem is not None
    assert (problem.index, problem.line) == (1, line)
    assert message in problem.message
    assert str(problem).endswith(f"(line {line})") == (line is not None)


async def test_a_source_is_not_executed(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    source = f"open({str(trace)!r}, 'w')\n@open({str(trace)!r}, 'w')\n{GOOD}"

    assert await SourceChecker().find_problem([source]) is None
    assert not trace.exists()


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "(" * 100_000,
        "x = " + "-" * 200_000 + "1\n",
        "x = " + "not " * 50_000 + "1\n",
        "x = a" + ".b" * 100_000 + "\n",
        "x = f" + "()" * 100_000 + "\n",
        "x = " + "lambda: " * 30_000 + "1\n",
        "x = " + "1 if 1 else " * 20_000 + "1\n",
        "if a: pass\n" + "elif b: pass\n" * 19_000,
        "x = " + "9" * 200_000 + "\n",
        "[" * 150 + ":" * 150,
    ],
    ids=["parentheses", "minus", "not", "attributes", "calls", "lambdas", "ternaries", "elifs", "digits", "brackets"],
)
async def test_sources_that_drive_the_compiler_to_its_limits_are_refused(source: str) -> None:
    problem = await SourceChecker().find_problem([source + "\n" + GOOD])

    assert problem is not None
    assert problem.index == 0


async def test_a_check_that_takes_too_long_is_ended() -> None:
    long = "x = [" + "1," * 120_000 + "]\n" + GOOD

    assert await SourceChecker(timeout_s=0.0).find_problem([long]) == SourceProblem(
        0, None, "takes too long to compile: make it shorter or simpler"
    )


async def test_large_sources_pass() -> None:
    long = "x = [" + "1," * 100_000 + "]\n" + GOOD

    assert await SourceChecker().find_problem([GOOD, long]) is None


async def test_without_sources_nothing_is_started() -> None:
    assert await SourceChecker(timeout_s=0.0).find_problem([]) is None


def killed_first(directory: Path, times: int) -> Path:
    """Return an interpreter that is killed so many times before it works."""
    script = directory / "python"
    script.write_text(
        f"#!/bin/sh\nn=$(cat '{directory}/n' 2>/dev/null || echo 0)\necho $((n + 1)) > '{directory}/n'\n"
        f'[ "$n" -ge {times} ] || kill -9 $$\nexec \'{sys.executable}\' "$@"\n'
    )
    script.chmod(0o755)
    return script


async def test_a_check_that_is_killed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(killed_first(tmp_path, 1)))

    assert await SourceChecker().find_problem([GOOD]) is None
    assert (tmp_path / "n").read_text() == "2\n"


async def test_a_check_that_is_always_killed_blames_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(killed_first(tmp_path, 1000)))

    with pytest.raises(UnansweredError, match="was killed 3 times"):
        await SourceChecker(pauses_s=(0.0, 0.0)).find_problem([GOOD])
