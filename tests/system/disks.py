"""A small disk that a test can fill."""

import errno
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server import Server
from tests.system.client import Client, item_rows, wait_until, write_rows

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


@dataclass(frozen=True)
class PausedRun:
    """A run whose items do not fit on the disk any more; it goes on once the ballast is gone."""

    eval_id: str
    run_id: str
    file_id: str
    ballast: Path


def pause_a_run(server: Server, client: Client, disk: Path, directory: Path, items: int) -> PausedRun:
    """Start a run, fill the disk while it stores items, and return when it pauses.

    Args:
        server: A server that is up.
        client: Asks it.
        disk: Where it stores items.
        directory: Where the run's rows are written first.
        items: How many there are.
    """
    file_id = client.upload_path(write_rows(directory / "rows.jsonl", item_rows(items)))
    eval_id = client.create_eval()
    run_id = client.start_run(eval_id, file_id)
    client.wait_for_items(eval_id, run_id)
    ballast = fill(disk)
    wait_until(lambda: "effect='runs pause'" in server.log, "the run pauses")
    return PausedRun(eval_id, run_id, file_id, ballast)


def stored_while_paused(client: Client, paused: PausedRun, items: int) -> int:
    """Check that a paused run can be read, and return how many of its items are stored."""
    run = client.get_run(paused.eval_id, paused.run_id)
    assert run["status"] == "in_progress"
    stored = run["result_counts"]["total"]
    assert 0 < stored < items
    path = f"/v1/evals/{paused.eval_id}/runs/{paused.run_id}"
    wait_until(lambda: client.get("/readyz").status_code == 503, "the server says that no work can be done")
    for readable in ("/healthz", "/v1/evals", path, f"{path}/output_items", f"/v1/files/{paused.file_id}/content"):
        assert client.get(readable).status_code == 200, readable
    return stored
