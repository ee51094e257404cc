"""What is told of a run that has ended: one log line, one count, and its span."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from evalhaven.domain.runs import Run
from evalhaven.meters.board import Board
from evalhaven.meters.declared import RUNS_ENDED
from evalhaven.tracing.words import TracedRun

if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells those who watch this process of runs that have ended.

    Attributes:
        board: Counts them.
        tracing: Sends their spans; None if traces are off.
    """

    board: Board = field(default_factory=Board)
    tracing: "Tracing | None" = None

    def tell_end(self, run: Run) -> None:
        """Tell of a run that has just got its final status."""
        tally, error = run.tally, None if run.error is None else run.error.code
        ended_at = run.created_at if run.ended_at is None else run.ended_at
        traced = traced_run(run)
        self.board.add(RUNS_ENDED, run.status)
        trace = {} if self.tracing is None else {"trace_id": self.tracing.trace_id_of(traced)}
        structlog.get_logger("evalhaven.runs").info(
            "run_ended",
            run_id=run.id,
            eval_id=run.eval_id,
            status=str(run.status),
            code=error,
            passed=tally.passed,
            failed=tally.failed,
            errored=tally.errored,
            took_s=ended_at - run.created_at,
            tokens=tally.spending.tokens,
            cost=tally.spending.cost(),
            **trace,
        )
        if self.tracing is not None:
            counts = {"passed": tally.passed, "failed": tally.failed, "errored": tally.errored}
            self.tracing.end_run(traced, str(run.status), counts, error, ended_at)


def traced_run(run: Run) -> TracedRun:
    """Return what traces say of a run; a retry has a span of its own."""
    suffix = f" {run.times_retried}" if run.times_retried else ""
    return TracedRun(run.id, run.eval_id, run.traceparent, run.model, run.created_at, f"{run.id}{suffix}")


def untraced() -> str | None:
    """Return what names the span of a request where traces are off: nothing."""
    return None
