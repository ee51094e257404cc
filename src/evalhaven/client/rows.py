"""Lines of an answer, and the file that one is written to."""

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from evalhaven.client.errors import UnexpectedAnswerError


def parsed_row(line: str) -> dict[str, Any]:
    """Return a line of an answer as an object.

    Raises:
        UnexpectedAnswerError: It is none.
    """
    try:
        row: object = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise UnexpectedAnswerError("What answers there is not Evalhaven: a line of the answer is no JSON object.")
    return cast("dict[str, Any]", row)


@contextmanager
def partial_path(target: Path) -> Generator[Path]:
    """Yield the path of a new file beside a file, which is removed if it is still there in the end."""
    path = target.with_name(f".{target.name}.{os.getpid()}-{time.monotonic_ns()}.part")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
