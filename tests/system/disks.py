"""A small disk that a test can fill."""

import errno
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BLOCK = bytes(4096)


@contextmanager
def small_disk(directory: Path, size_mb: int) -> Generator[Path]:
    """Mount a disk of so many MB on an existing, empty directory; skip where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk that this fills")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(directory)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount the small disk that this fills: {mounted.stderr.strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Write a file until nothing more fits, and return it."""
    ballast = directory / "ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(_BLOCK)
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 - it is how the loop ends
    return ballast
