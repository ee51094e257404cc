"""Count how many small mistakes in the source the unit tests notice.

    make mutants
    make mutants ARGS="--against before.json"

Each mutant is one function with one mistake: another comparison, operator, constant, condition or result, or a
statement less. Which ones are tried follows from the seed and from what the functions say, not from where they stand,
so they can be found again after files were moved. Each is tried in a forked process by those unit tests of the first
tier that reach the statement, until one fails: it is `killed`, or `hung` where a test took too long, or it `survived`;
`no test` means that none reaches it, at least not in its own process.

With `--against`, the mutants of that earlier result are tried as far as they still exist, and the command fails if one
lives that did not live then.
"""

import argparse
import builtins
import contextlib
import gc
import itertools
import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from tests.mutations import PROBE, Mutant, Replacement, find_mutants, make_mutant, make_probes

PACKAGES = ("domain", "stats", "runs")
ROOT = Path.cwd()
_DEAD = ("killed", "hung")
_NICENESS = 10
# Of clock time, so that a test that waits for ever ends, and generous, because machines are shared.
_LIMIT_S, _LIMIT_FACTOR = 10.0, 20.0


@dataclass(frozen=True)
class _Measured:
    seconds: float
    reached: list[str]


class _Trial:
    """Takes the place of pytest's loop: finds out which tests reach which mutant, then forks a child for each."""

    def __init__(self, mutants: list[Mutant], results: Path, budget_s: float) -> None:
        self._mutants, self._results, self._budget_s = mutants, results, budget_s
        self._terminal = os.dup(sys.stderr.fileno())  # beside what pytest captures
        self._functions: list[FunctionType] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        _hold_migrated_file(list(items.values()))
        gc.unfreeze()  # what tests/conftest.py has frozen is not among the objects otherwise
        self._functions = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
        gc.freeze()  # children leave these objects' pages shared
        measured = self._measure(items)
        results = list[dict[str, Any]]()
        for mutant in self._mutants:
            names = [name for name, test in measured.items() if mutant.key in test.reached]
            # The quick ones first, and of these the ones that reach little else.
            names.sort(key=lambda name: (measured[name].seconds + 0.01) * len(measured[name].reached))
            started, limits = time.monotonic(), {name: measured[name].seconds * _LIMIT_FACTOR for name in names}
            result = self._try_mutant(mutant, [(items[name], limits[name] + _LIMIT_S) for name in names])
            seconds = time.monotonic() - started
            results.append({**asdict(mutant), **result, "tests": len(names), "seconds": round(seconds, 2)})
            self._results.write_text(json.dumps(results, indent=1))
            self._say(f"{len(results)} of {len(self._mutants)}: {result['result']} in {seconds:.1f} s: {mutant.key}")
        return True

    def _measure(self, items: dict[str, pytest.Item]) -> dict[str, _Measured]:
        """Return which mutants each test reaches, in how much time, without the tests that fail by themselves."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            with os.fdopen(writing, "w") as pipe:
                _end_child(lambda: json.dump(self._measure_here(items), pipe), pipe.flush)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        if os.waitpid(child, 0)[1] != 0:
            raise RuntimeError("the tests could not be measured")
        return {name: _Measured(*found) for name, found in json.loads(text).items()}

    def _measure_here(self, items: dict[str, pytest.Item]) -> dict[str, tuple[float, list[str]]]:
        reached = set[str]()
        setattr(builtins, PROBE, reached.add)
        self._apply(make_probes(ROOT, self._mutants))
        found: dict[str, tuple[float, list[str]]] = {}
        failed = list[str]()
        for name, item in items.items():
            reached.clear()
            started = time.monotonic()
            if _passes(item):
                found[name] = (time.monotonic() - started, sorted(reached))
            else:
                failed.append(name)
        self._say(f"{len(found)} tests pass without mutants, in {sum(s for s, _ in found.values()):.0f} s")
        for name in failed:
            self._say(f"not counted, because it fails: {name}")
        return found

    def _try_mutant(self, mutant: Mutant, tests: list[tuple[pytest.Item, float]]) -> dict[str, str | None]:
        if not tests:
            return {"result": "no test", "by": None}
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            self._apply([make_mutant(ROOT, mutant)])
            _end_child(lambda: os.write(writing, self._find_killer(tests).encode()))
        os.close(writing)
        with os.fdopen(reading) as pipe:
            # What the tests started may hold the pipe open: the child's end is what counts.
            status = os.waitpid(child, 0)[1]
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            killer = pipe.read()
        if status == 0:
            return {"result": "killed" if killer else "survived", "by": killer or None}
        hung = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
        return {"result": "hung" if hung else "killed", "by": None}

    def _find_killer(self, tests: list[tuple[pytest.Item, float]]) -> str:
        started = time.process_time()
        for item, limit_s in tests:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            if not _passes(item):
                return item.nodeid
            if time.process_time() - started > self._budget_s:
                break
        return ""

    def _say(self, text: str) -> None:
        os.write(self._terminal, f"{text}\n".encode())

    def _apply(self, replacements: Iterable[Replacement]) -> None:
        """Give every function object of some code the new one, wherever it was imported to."""
        changed = {_identity(each.original): each.changed for each in replacements}
        for function in self._functions:
            if _identity(function.__code__) in changed:
                function.__code__ = changed[_identity(function.__code__)]


def _end_child(*steps: Any) -> None:
    """End this process after some steps, without pytest's own end."""
    try:
        for step in steps:
            step()
    except BaseException:  # the parent's pytest must not go on here
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _hold_migrated_file(items: list[pytest.Item]) -> None:
    """Let a test set up the database file that the others copy, so that no child has to."""
    item = next((each for each in items if "database_url" in getattr(each, "fixturenames", ())), None)
    if item is not None:
        _passes(item)


def _passes(item: pytest.Item) -> bool:
    """Run a test, and leave standing what belongs to the session, and nothing else."""
    # The next item is asked only which collectors it needs; the session stands for every item there is.
    session: Any = item.session
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=session))


def _identity(code: Any) -> tuple[str, str, int]:
    return code.co_filename, code.co_name, code.co_firstlineno


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - what it finds is the product


def _choose(arguments: argparse.Namespace) -> list[Mutant]:
    mutants = find_mutants(ROOT, PACKAGES, arguments.seed)
    _say(f"{len(mutants)} mutants can be thought of; seed {arguments.seed}")
    if arguments.against is not None:
        # What was moved to another package is tried there.
        everywhere = sorted(path.name for path in (ROOT / "src" / "evalhaven").iterdir() if path.is_dir())
        others = [name for name in everywhere if name not in PACKAGES]
        mutants = find_mutants(ROOT, [*PACKAGES, *others], arguments.seed)
        before = {each["key"] for each in json.loads(Path(arguments.against).read_text())}
        mutants = [mutant for mutant in mutants if mutant.key in before]
        _say(f"{len(mutants)} of {len(before)} in {arguments.against} are there still")
    possible = (mutant for mutant in mutants if make_mutant(ROOT, mutant).is_possible)
    return list(itertools.islice(possible, arguments.count))


def _compare(results: list[dict[str, Any]], before: list[dict[str, Any]]) -> int:
    died = {each["key"]: each["result"] in _DEAD for each in before}
    lost = [each for each in results if died[each["key"]] and each["result"] not in _DEAD]
    _say(f"{len(lost)} mutants live that did not live before")
    for each in lost:
        _say(f"{each['path']}:{each['line']}: {each['result']}: {each['key']}")
    return 1 if lost else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="how many mutants are tried")
    parser.add_argument("--seed", type=int, default=1, help="chooses the mutants")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of CPU after which a mutant has survived")
    parser.add_argument("--write", type=Path, default=Path("mutants.json"), help="where the results are written")
    parser.add_argument("--against", help="what an earlier run wrote")
    parser.add_argument("tests", nargs="*", default=["tests/unit"], help="which tests; tests/unit unless named")
    arguments = parser.parse_args()
    os.nice(_NICENESS - os.nice(0))
    trial = _Trial(_choose(arguments), arguments.write, arguments.budget)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:cov",
        "-p",
        "no:xdist",
        "-p",
        "tests.tiers",
        "--tier=first",
        "--timeout=0",
        "--capture=fd",
    ]
    status = pytest.main([*options, *arguments.tests], plugins=[trial])
    if status not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(status)
    results = json.loads(arguments.write.read_text())
    _say(f"{dict(Counter(each['result'] for each in results))}")
    return 0 if arguments.against is None else _compare(results, json.loads(Path(arguments.against).read_text()))


if __name__ == "__main__":
    sys.exit(main())
