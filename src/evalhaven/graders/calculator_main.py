"""The calculator: a child process for computations that would hold up everything else; only `CalculatorPool` starts it.

It reads pickled calls from standard input and writes pickled answers to standard output, one after the other, each
with its length before it. It ends when its input ends, and on Linux with its parent, whatever it is doing.
"""

import contextlib
import os
import pickle
import signal
import sys
from struct import Struct
from typing import BinaryIO

from evalhaven.sandbox.inside.parent import die_with_parent

LENGTH = Struct("<Q")
"""The number of bytes that follow."""

_LIBRARY_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main() -> None:
    """Answer calls until there are no more; the arguments are the parent's process id and a limit on memory."""
    parent_pid, memory_bytes = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent_pid)
    # A service manager may tell all processes to end at once, and their parent still needs the answers.
    for told_to_end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told_to_end, signal.SIG_IGN)
    _limit_memory(memory_bytes)
    # Each thread of a library would take memory, and the parent starts a calculator for each processor anyway.
    os.environ.update(dict.fromkeys(_LIBRARY_THREADS, "1"))
    # What a library prints must not get between the answers.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers, contextlib.redirect_stdout(sys.stderr):
        _answer_calls(sys.stdin.buffer, answers)


def _answer_calls(calls: BinaryIO, answers: BinaryIO) -> None:
    while head := calls.read(LENGTH.size):
        try:
            function, arguments = pickle.loads(calls.read(*LENGTH.unpack(head)))  # noqa: S301 - from our own parent
            answer = (True, function(*arguments))
        except MemoryError:
            answer = (False, "MemoryError")
        except Exception as error:
            answer = (False, f"{type(error).__name__}: {error}")
        text = pickle.dumps(answer)
        answers.write(LENGTH.pack(len(text)) + text)
        answers.flush()


def _limit_memory(memory_bytes: int) -> None:
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on every platform

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


if __name__ == "__main__":
    main()
