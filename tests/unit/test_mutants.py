"""The mistakes that `make mutants` makes are the ones it names, and tests that notice them are found."""

import builtins
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from tests.mutations import PROBE, Mutant, find_mutants, make_mutant, make_probes


def _write(root: Path, source: str, name: str = "sums.py") -> None:
    path = root / "src" / "evalhaven" / "stats" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))


def _call(root: Path, mutant: Mutant, *arguments: Any) -> Any:
    try:
        return FunctionType(make_mutant(root, mutant).changed, {"__builtins__": builtins})(*arguments)
    except Exception as error:
        return type(error)


def _results(root: Path, *arguments: Any) -> dict[str, Any]:
    return {
        mutant.key.partition(" -> ")[2]: _call(root, mutant, *arguments)
        for mutant in sorted(find_mutants(root, ["stats"], seed=1), key=lambda mutant: mutant.number)
    }


@pytest.mark.parametrize(
    ("body", "argument", "results"),
    [
        ("return a < 7", 7, {"return None": None, "a < 7 with LtE": True, "8 for 7": True}),
        ("return a in (2,)", 2, {"return None": None, "a in (2,) with NotIn": False, "3 for 2": False}),
        ("return a is True", True, {"return None": None, "a is True with IsNot": False, "False for True": False}),
        ("return a // 2", 6, {"return None": None, "a // 2 with Mult": 12, "3 for 2": 2}),
        ("return a and not a", 5, {"return None": None, "a and (not a) with Or": 5, "not a without not": True}),
        ("return 'x' + a", "y", {"return None": None}),
        ("b = a\nreturn b", 3, {"nothing": NameError, "return None": None}),
        ("if a:\n    a = ''\nreturn a", "x", {"not a": "x", "nothing": "x", "return None": None}),
        (
            "while a > 1:\n    break\nelse:\n    a = 'x'\nreturn a",
            1,
            {"not a > 1": 1, "a > 1 with GtE": 1, "2 for 1": "x", "nothing": 1, "return None": None},
        ),
        ("return a if a else 'b'", "", {"return None": None, "not a": ""}),
        ('"""Say 1 + 1."""\nb: Literal[1] = a\nreturn b', 3, {"return None": None}),
        ("...", 3, {}),
        ("a += 'x'\nreturn a", "y", {"nothing": "y", "return None": None}),
        (
            "match a:\n    case 2 if a > 1:\n        return a",
            2,
            {"return None": None, "3 for 2": None, "a > 1 with GtE": 2, "2 for 1": None},
        ),
    ],
)
def test_each_mistake_is_the_one_that_its_key_names(
    tmp_path: Path, body: str, argument: Any, results: dict[str, Any]
) -> None:
    _write(tmp_path, f"def f(a):\n{textwrap.indent(body, '    ')}\n")
    assert _results(tmp_path, argument) == results


_SOURCE = """
    class Sum:
        def of(self, a, b):
            if a == b:
                return 2 * a
            return a + b

    def halves(a):
        yield a / 2
"""


def test_a_mutant_is_the_same_after_its_function_was_moved(tmp_path: Path) -> None:
    _write(tmp_path / "before", _SOURCE)
    _write(tmp_path / "after", f"import os\n\n{textwrap.dedent(_SOURCE)}", "moved.py")
    before, after = (find_mutants(tmp_path / name, ["stats"], seed=3) for name in ("before", "after"))
    assert [mutant.key for mutant in before] == [mutant.key for mutant in after]
    assert [mutant.line + 2 for mutant in before] == [mutant.line for mutant in after]
    assert "Sum.of: return a + b -> a + b with Sub" in {mutant.key for mutant in before}


def test_another_seed_gives_another_order_of_the_same_mutants(tmp_path: Path) -> None:
    _write(tmp_path, _SOURCE)
    keys = [[mutant.key for mutant in find_mutants(tmp_path, ["stats"], seed)] for seed in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]
    assert sorted(keys[1]) == sorted(keys[2])


def test_a_mistake_that_makes_another_kind_of_function_is_not_possible(tmp_path: Path) -> None:
    _write(tmp_path, _SOURCE)
    mutants = [mutant for mutant in find_mutants(tmp_path, ["stats"], seed=1) if mutant.name == "halves"]
    possible = {mutant.key: make_mutant(tmp_path, mutant).is_possible for mutant in mutants}
    assert possible == {
        "halves: yield (a / 2) -> nothing": False,
        "halves: yield (a / 2) -> a / 2 with Mult": True,
        "halves: yield (a / 2) -> 3 for 2": True,
    }


def test_probes_tell_which_mistakes_a_call_reaches(tmp_path: Path) -> None:
    _write(tmp_path, _SOURCE)
    mutants = [mutant for mutant in find_mutants(tmp_path, ["stats"], seed=1) if mutant.name == "of"]
    [probed] = make_probes(tmp_path, mutants)
    reached = set[str]()
    function = FunctionType(probed.changed, {PROBE: reached.add})
    assert function(None, 1, 2) == 3
    assert {key.partition(": ")[2].partition(" -> ")[0] for key in reached} == {"if a == b:", "return a + b"}


_TESTS = """
    import importlib.util
    import time
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("sums", Path(__file__).parent / "src/evalhaven/stats/sums.py")
    sums = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sums)

    def test_sum(): assert sums.Sum().of(1, 2) == 3
    def test_sum_of_equals(): assert sums.Sum().of(0, 0) == 0
    def test_that_fails_anyway(): assert sums.Sum().of(1, 1) == 3
"""


def test_the_command_tells_what_tests_notice_and_what_they_no_longer_notice(tmp_path: Path, repository: Path) -> None:
    _write(tmp_path, _SOURCE)
    (tmp_path / "test_sums.py").write_text(textwrap.dedent(_TESTS))
    # As tests/conftest.py does it.
    (tmp_path / "conftest.py").write_text("import gc\n\ndef pytest_collection_finish(): gc.freeze()\n")
    command = [sys.executable, "-m", "tests.mutants", "test_sums.py", "--write"]
    environment = os.environ | {"PYTHONPATH": str(repository)}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    before = run("before.json")
    assert before.returncode == 0, before.stderr
    results = {each["key"]: each["result"] for each in json.loads((tmp_path / "before.json").read_text())}
    assert results == {
        "Sum.of: if a == b: -> not a == b": "killed",
        "Sum.of: if a == b: -> a == b with NotEq": "killed",
        "Sum.of: return 2 * a -> return None": "killed",
        "Sum.of: return 2 * a -> 3 for 2": "survived",
        "Sum.of: return 2 * a -> 2 * a with FloorDiv": "killed",
        "Sum.of: return a + b -> return None": "killed",
        "Sum.of: return a + b -> a + b with Sub": "killed",
        "halves: yield (a / 2) -> a / 2 with Mult": "no test",
        "halves: yield (a / 2) -> 3 for 2": "no test",
    }
    assert run("again.json", "--against", "before.json").returncode == 0

    (tmp_path / "test_sums.py").write_text(textwrap.dedent(_TESTS).replace("of(0, 0) == 0", "of(0, 1) == 1"))
    after = run("after.json", "--against", "before.json")
    assert after.returncode == 1
    assert set(after.stderr.splitlines()[-3:]) == {
        "2 mutants live that did not live before",
        "src/evalhaven/stats/sums.py:5: no test: Sum.of: return 2 * a -> return None",
        "src/evalhaven/stats/sums.py:5: no test: Sum.of: return 2 * a -> 2 * a with FloorDiv",
    }
