"""How much day files take, and how long who uses them waits."""

import resource
from dataclasses import dataclass, field

_FEWEST_KEPT, _MOST_KEPT, _FILES_A_CONNECTION = 32, 128, 8


def most_kept() -> int:
    """Return how many connections that nobody uses stay open: each takes three of the files a process may have open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return _MOST_KEPT
    return max(_FEWEST_KEPT, min(_MOST_KEPT, allowed // _FILES_A_CONNECTION))


@dataclass(frozen=True, slots=True)
class DayFileLimits:
    """Limits of the day files of a directory.

    Attributes:
        most_calls: From so many calls on, a day goes on in another file.
        most_bytes: From such a size on, too.
        learnt_from: From so many calls on, a file without a dictionary gets one.
        relearnt_from: From so many on, a file that began with the dictionary of another gets its own.
        dropped_at_once: How many calls of a project are dropped in one transaction.
        longest_wait_s: How long others may keep a file, or the directory, locked.
        most_kept: How many connections that nobody uses stay open.
    """

    most_calls: int = 500_000
    most_bytes: int = 1_000_000_000
    learnt_from: int = 1_000
    relearnt_from: int = 20_000
    dropped_at_once: int = 200
    longest_wait_s: float = 30.0
    most_kept: int = field(default_factory=most_kept)
