"""What calculators are asked to compute in tests."""

import os
import time
from pathlib import Path


def add(first: int, second: int) -> int:
    return first + second


def process_id() -> int:
    return os.getpid()


def wait(seconds: float, told: str = "") -> int:
    """Tell the process id in a file, and wait."""
    if told:
        Path(told).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(seconds)
    return os.getpid()


def fail(message: str) -> None:
    print("something on standard output")  # noqa: T201 - the very thing that must do no harm
    raise LookupError(message)


def die() -> None:
    os._exit(3)


def fill_memory(size_bytes: int) -> int:
    return len(bytearray(size_bytes))


def thread_count() -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")
