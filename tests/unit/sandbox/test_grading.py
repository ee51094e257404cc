"""A grader's source as it is loaded and called, short of the process around it."""

import sys
from collections.abc import Iterator
from textwrap import dedent

import pytest

from evalhaven.sandbox.inside.grading import LoadedGrader, read_score
from evalhaven.sandbox.inside.printing import BoundedOutput, open_text


@pytest.fixture(autouse=True)
def without_the_module() -> Iterator[None]:
    yield
    sys.modules.pop("grader", None)


def fail(source: str) -> tuple[str, str]:
    grader = LoadedGrader(dedent(source).lstrip())
    if grader.failure is not None:
        return grader.failure
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever a grader raises
        grader.grade({}, {})
    return grader.describe(caught.value)


def test_an_exception_shows_the_lines_of_the_source() -> None:
    kind, message = fail(
        """
        import json

        def read(text):
            return json.loads(text)

        def grade(sample, item):
            return read("{")
        """
    )

    assert kind == "exception"
    assert message == (
        "Traceback (most recent call last):\n"
        '  File "grader.py", line 7, in grade\n    return read("{")\n'
        '  File "grader.py", line 4, in read\n    return json.loads(text)\n'
        "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    )


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("import nosuchmodule", "import", "No module named 'nosuchmodule'"),
        ("def grade(sample, item):\n    import nosuch.inner", "import", "No module named 'nosuch'"),
        ("raise MemoryError", "memory", "MemoryError"),
        ("raise OSError(28, 'full')", "disk", "full"),
        ('raise RuntimeError("can\'t start new thread")', "threads", "thread"),
        ("def grade(sample, item)\n    return 1", "exception", '  File "grader.py", line 1'),
        ("x = 1", "exception", "The source defines no function grade(sample, item)."),
        ("raise KeyError('grade')", "exception", "KeyError: 'grade'"),
        ("def grade(sample): return 1", "exception", "TypeError"),
        ("import sys\nsys.exit('over')", "exception", "SystemExit: over"),
        ("raise KeyboardInterrupt", "exception", "KeyboardInterrupt"),
        ("\0", "exception", "null bytes"),
    ],
)
def test_each_way_to_fail_has_its_kind(source: str, kind: str, message: str) -> None:
    found = fail(source)

    assert found[0] == kind
    assert message in found[1]


def test_the_last_frames_of_a_deep_recursion_are_shown() -> None:
    _, message = fail("def grade(sample, item):\n    return grade(sample, item)")

    assert message.count('File "grader.py"') == 5
    assert message.endswith("RecursionError: maximum recursion depth exceeded")


def test_a_long_text_of_an_exception_is_cut() -> None:
    assert len(fail("raise ValueError('x' * 10**6)")[1]) < 2500


def test_data_classes_find_their_module() -> None:
    source = """
    from __future__ import annotations
    import dataclasses, pickle

    @dataclasses.dataclass
    class Point:
        x: float

    def grade(sample, item):
        return pickle.loads(pickle.dumps(Point(0.5))).x
    """

    assert LoadedGrader(dedent(source)).grade({}, {}) == 0.5


class Half:
    def __float__(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (True, 1.0),
        (0, 0.0),
        (0.25, 0.25),
        (Half(), 0.5),
        (float("nan"), None),
        (float("inf"), None),
        (-float("inf"), None),
        (10**400, None),
        (None, None),
        ("1", None),
        (b"1", None),
        ({}, None),
        ([1], None),
        (1j, None),
    ],
)
def test_scores_are_finite_numbers(value: object, score: float | None) -> None:
    assert read_score(value) == score


def test_the_beginning_of_an_output_is_kept() -> None:
    output = BoundedOutput(10)
    text = open_text(output)
    text.write("é" * 100)
    text.buffer.write(b"more")

    assert output.take() == "é" * 5
    assert not output.has_text()
    text.write("next")
    assert output.take() == "next"
