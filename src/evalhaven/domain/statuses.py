"""Statuses of runs and output items, and the legal moves between them."""

from enum import IntEnum, StrEnum


class RunStatus(StrEnum):
    """The state of a run; the values are the contract's."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELED = "canceled"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Tell whether the run will never change again."""
        return self not in ACTIVE_RUN_STATUSES

    def can_become(self, status: "RunStatus") -> bool:
        """Tell whether a run may move from this status to another."""
        return status in _MOVES[self]


ACTIVE_RUN_STATUSES = frozenset({RunStatus.QUEUED, RunStatus.IN_PROGRESS})
_FINAL = frozenset(RunStatus) - ACTIVE_RUN_STATUSES
_MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset({RunStatus.IN_PROGRESS, RunStatus.CANCELED, RunStatus.FAILED}),
    RunStatus.IN_PROGRESS: _FINAL,
    RunStatus.COMPLETED: frozenset(),
    RunStatus.CANCELED: frozenset(),
    RunStatus.FAILED: frozenset(),
}


class ItemStatus(IntEnum):
    """How an output item ended; stored as this number."""

    FAIL = 0
    PASS = 1
    ERROR = 2

    @property
    def wire(self) -> str:
        """Return the word on the wire: `pass`, `fail` or `error`."""
        return self.name.lower()


ITEM_STATUS_FILTERS: dict[str, ItemStatus] = {
    "pass": ItemStatus.PASS,
    "passed": ItemStatus.PASS,
    "fail": ItemStatus.FAIL,
    "failed": ItemStatus.FAIL,
    "error": ItemStatus.ERROR,
    "errored": ItemStatus.ERROR,
}
