"""The run: one execution of an eval on a data source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.errors import IllegalRunTransitionError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.ids import EvalId, FileId, RunId
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.run_formats import FIRST_FORMAT
from evalhaven.domain.run_options import DEFAULT_OPTIONS, RunOptions
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import NOTHING, Tally

SANDBOX = "sandbox"
"""The key of a run's flow that says how its Python graders are isolated."""


@dataclass(frozen=True, slots=True)
class Regrading:
    """The run whose samples another run grades again, as it was when it was read.

    Attributes:
        source_key: Internal number of that run.
        run_id: Its id.
        status: Its final status.
        times_retried: How many times its errored items had been retried.
        origin: Where it was imported from; None for a run executed here.
    """

    source_key: int
    run_id: RunId
    status: RunStatus
    times_retried: int = 0
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class RetryChoice:
    """Which errored items a retry executes again: those with one of these errors, and these.

    Attributes:
        messages: Messages of errors, shortened as in reports.
        items: Positions and repeats of items.
    """

    messages: frozenset[str] = frozenset()
    items: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of an eval.

    Attributes:
        key: Internal number; 0 before it is stored.
        data_source: As sent, except that the rows of an inline source are in the run's blob.
        has_inline_rows: Whether the rows are in the run's own blob.
        file_id: The file from which the rows come, else None.
        items_planned: Number of output items the run will have; None until it is planned.
        started_at: Unix second at which the executor took it up, else None.
        ended_at: Unix second of the final status, else None.
        error: Why it failed; None for every other status.
        options: The options that were sent for it.
        flow: The latest state of its calls to models and, under `SANDBOX`, how its Python is isolated; None
            if it has neither.
        imported: The run as its first server answered it; None for one executed here.
        times_retried: How many times its items without a result were retried.
        regrading: The run whose samples it grades; None for a run with samples of its own.
        own_criteria: Testing criteria of this run alone; None if it uses the eval's.
        source_bytes: Length of the file that holds its rows, when it was accepted; None if it was not recorded.
        evaluated_by: The process that evaluates its chunks, or that died while it did.
        deaths: How many such processes died in a row with no item of the run stored in between.
        retry_choice: Which errored items its last retry executes again; None for all of them, and those missing.
        format: What a worker has to know to execute it.
        traceparent: What names the span of the request that made it; None if that was not traced.
    """

    id: RunId
    eval_id: EvalId
    eval_key: int
    scope: ProjectScope
    created_at: int
    name: str
    model: str
    metadata: dict[str, str]
    data_source: DataSource
    has_inline_rows: bool = False
    file_id: FileId | None = None
    status: RunStatus = RunStatus.QUEUED
    error: ItemError | None = None
    tally: Tally = NOTHING
    items_planned: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    warnings: Sequence[Caution] = ()
    options: RunOptions = DEFAULT_OPTIONS
    flow: JsonObject | None = None
    imported: ImportedDocument | None = None
    key: int = 0
    times_retried: int = 0
    regrading: Regrading | None = None
    own_criteria: Criteria | None = None
    source_bytes: int | None = None
    evaluated_by: str | None = None
    deaths: int = 0
    retry_choice: RetryChoice | None = None
    format: int = FIRST_FORMAT
    traceparent: str | None = None

    @property
    def is_sampled(self) -> bool:
        """Tell whether a model is called for the run's samples."""
        return self.regrading is None and self.data_source.sampled is not None

    @property
    def repeats(self) -> int:
        """Return how many output items are made of each row."""
        return self.options.repeats if self.is_sampled else 1

    @property
    def samples_of_item(self) -> int:
        """Return how many samples each item has, as far as the run knows: those it regrades may be imported ones."""
        return self.options.repeats if self.is_sampled or self.regrading is not None else 1

    @property
    def items_missing(self) -> bool:
        """Tell whether the run has fewer output items than planned, or it is unknown how many it should have."""
        return self.items_planned is None or self.tally.total < self.items_planned

    def criteria(self, parent: Eval) -> Criteria:
        """Return the testing criteria by which the run is graded."""
        return parent.testing_criteria if self.own_criteria is None else self.own_criteria

    def to(self, status: RunStatus, at: int, error: ItemError | None = None) -> "Run":
        """Return the run in another status.

        Args:
            status: The status to move to.
            at: Unix second of the move.
            error: Why, if the status is `failed`.

        Raises:
            IllegalRunTransitionError: The run's status does not allow the move.
        """
        if not self.status.can_become(status):
            raise IllegalRunTransitionError(self.id, self.status, status)
        if status.is_final:
            return replace(self, status=status, ended_at=at, error=error)
        return replace(self, status=status, started_at=at)

    def reopened(self, choice: RetryChoice | None = None) -> "Run":
        """Return the run queued again at its user's request: the only way out of a final status.

        Args:
            choice: Which errored items are executed again; None for all of them, and those missing.

        Raises:
            IllegalRunTransitionError: The run has not ended.
        """
        if not self.status.is_final:
            raise IllegalRunTransitionError(self.id, self.status, RunStatus.QUEUED)
        times_retried = self.times_retried + 1
        return replace(
            self,
            status=RunStatus.QUEUED,
            ended_at=None,
            error=None,
            times_retried=times_retried,
            retry_choice=choice,
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """A slice of a run's rows: the unit that is handed out, executed and repeated after a kill.

    Attributes:
        number: 0-based, in the order of positions.
        first_position: Position of its first row.
        row_count: Rows in it.
        byte_start: Where its first row begins in the source.
        byte_end: Where its last row ends in the source (exclusive).
        last_position: Position of its last row; None if positions have no gaps.
    """

    number: int
    first_position: int
    row_count: int
    byte_start: int
    byte_end: int
    last_position: int | None = None

    @property
    def position_count(self) -> int:
        """Return how many positions there are from its first row to its last, gaps included."""
        return self.row_count if self.last_position is None else self.last_position - self.first_position + 1

    @property
    def size_bytes(self) -> int:
        """Return the length of its rows in the source."""
        return self.byte_end - self.byte_start


def report_url(base_url: str, run: Run) -> str:
    """Return the address of a run's page.

    Args:
        base_url: Where users reach this server.
        run: The run.
    """
    return f"{base_url}/ui/evals/{run.eval_id}/runs/{run.id}"
