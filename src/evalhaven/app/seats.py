"""Seats of workers, and how an executor is started, apart from what it loads.

At most one living worker sits on each seat, so whoever takes one knows that the one before is dead.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.sampling.configuration.loading import find_config
from evalhaven.settings import Settings

LEAVES_WITHIN_S = 10.0
"""How long a worker may take, beyond the time for what is under way, to store that and to hand back the rest."""


@dataclass(frozen=True, slots=True)
class WorkerSeat:
    """An executor's place among several workers.

    Attributes:
        name: Nobody else takes it.
        concurrency: How many chunks it executes at once, at most; None: the default.
        finishes_within_s: How long it may finish what is under way once it was told to end.
    """

    name: str
    concurrency: int | None = None
    finishes_within_s: float = 0.0


def executor_command(settings: Settings, seat: WorkerSeat | None = None) -> list[str]:
    """Return how to start an executor as a child of this process.

    Args:
        settings: Those of this process; the child has the same environment.
        seat: Its place among several workers; None where it is the only one.
    """
    config = find_config(settings.config)
    return [
        *(sys.executable, "-m", "evalhaven", "executor"),
        *("--data-dir", str(settings.data_dir), "--parent", str(os.getpid())),
        *([] if config is None else ["--config", str(config.absolute())]),
        *([] if seat is None else ["--seat", seat.name, "--finish", str(seat.finishes_within_s)]),
        *([] if seat is None or seat.concurrency is None else ["--concurrency", str(seat.concurrency)]),
    ]


def new_seat() -> str:
    """Return a seat on which nobody has sat."""
    return IdFactory(Clock()).new_seat_name()


def seat_of_directory(data_dir: Path) -> str:
    """Return the seat that belongs to a data directory, whose lock the caller holds."""
    path = data_dir / "worker-seat"
    if not path.exists():
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(f"{new_seat()}\n")
        part.rename(path)
    return path.read_text().strip()


def seat_beside(seat: str, number: int) -> str:
    """Return the seat of another worker that the same holder supervises; number 0 sits on the seat itself."""
    return f"{seat}-{number + 1}" if number else seat
