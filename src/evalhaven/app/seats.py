"""Seats of workers: at most one living worker sits on each, so whoever takes one knows that the one before is dead."""

from pathlib import Path

from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory


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
