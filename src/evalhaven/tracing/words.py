"""What traces are told, in words that need no library."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TracedRun:
    """What traces say of a run.

    Attributes:
        id: The run's.
        eval_id: Its eval's.
        traceparent: The span of the request that made it; None if that was not traced.
        model: What it asks; "" if it asks nothing.
        began_at: Unix second of its creation.
        execution: What tells this execution from those before a retry.
    """

    id: str
    eval_id: str
    traceparent: str | None
    model: str
    began_at: int
    execution: str


@dataclass(frozen=True, slots=True)
class TracedGrade:
    """What traces say of a grade.

    Attributes:
        name: Of the criterion.
        score: The number; None if there is none.
        label: `pass`, `fail` or `error`.
        error: Code of the error; None if there is none.
    """

    name: str
    score: float | None
    label: str
    error: str | None = None
