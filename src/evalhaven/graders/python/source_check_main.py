"""The child that compiles sources of python graders, and executes none of them; started by `source_check` alone.

It needs only the standard library, and starts with no other package in reach. It reads a JSON list of sources from
standard input and writes one line of JSON for each: null, or `[line, message]` of what is wrong. A parser that is
driven to its limits may crash or use endless memory and time; here that ends this child, and the number of lines
tells which source did it.
"""

import ast
import contextlib
import json
import signal
import sys
import warnings
from collections.abc import Iterator

from evalhaven.sandbox.inside.parent import die_with_parent

_MEMORY_BYTES = 1 << 30
_CPU_S = 10.0  # for one source
_PARAMETERS = ["sample", "item"]
_CURE = "define `def grade(sample, item):` at the top level; whatever other parameters it has need defaults"

Problem = tuple[int | None, str]
"""The line, if there is one, and what is wrong."""


def main() -> None:
    """Check the sources on standard input; the argument is the parent's process id."""
    _limit(int(sys.argv[1]))
    warnings.simplefilter("ignore")
    for source in json.load(sys.stdin):
        _allow_time()
        print(json.dumps(find_problem(source)), flush=True)  # noqa: T201 - the parent reads it


def find_problem(source: str) -> Problem | None:
    """Return what keeps a source from being a grader, or None."""
    try:
        tree = ast.parse(source, "grader.py")
        compile(tree, "grader.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error.lineno, f"is not valid Python: {error.msg}"
    except (RecursionError, MemoryError):
        return None, "is nested too deeply or too complex to be compiled: make it simpler"
    except ValueError as error:
        # U+0000, and text that is not Unicode.
        return None, f"is not valid Python: {error}"
    found = [node for node in _statements(tree.body) if _binds_grade(node)]
    if not found:
        return None, f"does not define 'grade': {_CURE}"
    return _problem_of(found[-1])


def _problem_of(node: ast.stmt) -> Problem | None:
    if isinstance(node, ast.AsyncFunctionDef):
        return node.lineno, f"defines 'grade' as a coroutine, which no call waits for: {_CURE}"
    if not isinstance(node, ast.FunctionDef):
        return node.lineno, f"makes 'grade' something other than a function: {_CURE}"
    given = node.args
    names = [parameter.arg for parameter in (*given.posonlyargs, *given.args)]
    needed = names[len(_PARAMETERS) : len(names) - len(given.defaults)]
    needed += [each.arg for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if not default]
    if names[: len(_PARAMETERS)] != _PARAMETERS or needed:
        return node.lineno, f"defines 'grade' with the parameters ({ast.unparse(given)}): {_CURE}"
    return None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that are executed at the top level, including those in `if`, `try` and the like."""
    pending = body[::-1]
    while pending:
        statement = pending.pop()
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        inner = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
        handlers = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.ExceptHandler)]
        cases = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.match_case)]
        for block in (*handlers, *cases):
            inner += block.body
        pending += inner[::-1]


def _binds_grade(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name == "grade"
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(isinstance(target, ast.Name) and target.id == "grade" for target in targets)
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return any((alias.asname or alias.name) == "grade" for alias in statement.names)
    return False


def _limit(parent_pid: int) -> None:
    die_with_parent(parent_pid)
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on every platform

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(ValueError, OSError):  # memory cannot be limited everywhere
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))


def _allow_time() -> None:
    if sys.platform != "win32":
        # The signal of this timer ends the process, whatever it is doing.
        signal.setitimer(signal.ITIMER_PROF, _CPU_S)
