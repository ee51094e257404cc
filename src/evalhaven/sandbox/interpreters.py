"""What must be known about an interpreter before a host runs it."""

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_QUESTION = """
import json, os, sys
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps([os.path.realpath(base), os.path.realpath(sys.base_prefix), sys.platlibdir]))
"""
_ANSWER_TIMEOUT_S = 60


class InterpreterError(Exception):
    """An interpreter cannot be used; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter as it was installed, not the link to it in a virtual environment.

    Attributes:
        executable: The program.
        prefix: Where it is installed.
        library_directories: Below the prefix: where its modules and libraries lie.
    """

    executable: Path
    prefix: Path
    library_directories: tuple[Path, ...]


@cache
def examine_interpreter(python: Path) -> Interpreter:
    """Ask an interpreter where it is installed.

    Raises:
        InterpreterError: The interpreter does not start or does not answer.
    """
    command = [str(python), "-I", "-S", "-c", _QUESTION]
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter that the operator chose
            command, capture_output=True, check=True, timeout=_ANSWER_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
        executable, prefix, library = json.loads(answer.stdout)
    except subprocess.CalledProcessError as error:
        text = error.stderr.decode("utf-8", "replace").strip()[-500:]
        raise InterpreterError(f"{python} does not run: {text}") from error
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise InterpreterError(f"{python} does not run: {error}") from error
    directories = dict.fromkeys(Path(prefix) / name for name in ("lib", library))
    return Interpreter(Path(executable), Path(prefix), tuple(path for path in directories if path.is_dir()))
