"""What jobs, and the queues they are in, are called; apart from what submits them, which loads Procrastinate."""

PLAN_TASK = "plan"
CHUNK_TASK = "chunk"
LIVE_STATUSES = ("todo", "doing")
_QUEUE = "run:"


def queue_of(run_key: int) -> str:
    """Return the queue of a run: each has its own, so that workers ask only for runs they have room for."""
    return f"{_QUEUE}{run_key}"


def run_of_queue(name: str) -> int:
    """Return whose queue it is."""
    return int(name.removeprefix(_QUEUE))


def lock_of(run_key: int, chunk: int | None) -> str:
    """Return what a job is known by: its payload."""
    return f"{run_key}" if chunk is None else f"{run_key}:{chunk}"


def run_and_chunk_of(lock: str) -> tuple[int, int | None]:
    """Return whose job is known by this, and the number of the chunk; None for the plan."""
    run_key, _, chunk = lock.partition(":")
    return int(run_key), int(chunk) if chunk else None
