"""What `evalhaven watch` reads of a run object; a missing member counts as empty."""

import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.statuses import RunStatus


class UnreadableRunError(ValueError):
    """An answer is not a run object; the message says why."""


class Counts(msgspec.Struct, frozen=True):
    """How many output items there are."""

    total: int = 0
    passed: int = 0
    failed: int = 0
    errored: int = 0


class RunFailure(msgspec.Struct, frozen=True):
    """Why a run failed."""

    code: str = ""
    message: str = ""


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds of the calls that were answered."""

    mean_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class Cost(msgspec.Struct, frozen=True):
    """US dollars; None if a call has no price."""

    target: float | None = None
    judge: float | None = None


class Budget(msgspec.Struct, frozen=True):
    """What the run may spend: US dollars, tokens."""

    cost: float | None = None
    tokens: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one model."""

    total_tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0


class LimitChange(msgspec.Struct, frozen=True):
    """A change of a limit, or a pause; `at` is Unix seconds."""

    at: float
    before: int
    after: int
    reason: str = ""
    pause_s: float = 0.0


class Unreachable(msgspec.Struct, frozen=True):
    """An endpoint that cannot be reached: why, and since when, in Unix seconds."""

    reason: str
    since: float


class Calls(msgspec.Struct, frozen=True):
    """How the calls to one judge go, or those for embeddings."""

    unreachable: Unreachable | None = None


class Limiter(msgspec.Struct, frozen=True):
    """The state of the calls when items were last stored; `paused_until` is Unix seconds."""

    endpoint: str = ""
    concurrency: int | None = None
    max_concurrency: int | None = None
    in_flight: int = 0
    waiting: int = 0
    limit_reached: bool = False
    episodes: int = 0
    paused_until: float | None = None
    paused_s: float = 0.0
    changes: tuple[LimitChange, ...] = ()
    retries: dict[str, int] = {}
    unreachable: Unreachable | None = None
    judges: tuple[Calls, ...] = ()
    embeddings: Calls = Calls()


class Extension(msgspec.Struct, frozen=True):
    """The `evalhaven` key of a run."""

    items_planned: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    repeats: int = 1
    times_retried: int = 0
    max_concurrency: int | None = None
    errors: dict[str, int] = {}
    latency: Latency | None = None
    cost: Cost | None = None
    usage_split: dict[str, tuple[Usage, ...]] | None = None
    retries: int = 0
    cache_hits: int = 0
    limiter: Limiter | None = None
    budget: Budget | None = None


class RunDocument(msgspec.Struct, frozen=True):
    """A run object."""

    id: str
    status: RunStatus
    eval_id: str = ""
    name: str = ""
    model: str = ""
    report_url: str = ""
    result_counts: Counts = Counts()
    error: RunFailure | None = None
    evalhaven: Extension = Extension()

    @property
    def items_planned(self) -> int | None:
        """How many items the run will have; None while that is unknown."""
        planned = self.evalhaven.items_planned
        return self.result_counts.total if planned is None and self.status.is_final else planned


def read_run(body: bytes) -> RunDocument:
    """Return the run of an answer.

    Raises:
        UnreadableRunError: The body is not a run.
    """
    try:
        return msgspec.convert(jsontext.parse(body), RunDocument)
    except (jsontext.InvalidJsonError, msgspec.ValidationError) as error:
        raise UnreadableRunError(str(error)) from error
