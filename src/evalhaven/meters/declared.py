"""Every meter: its name for Prometheus, what it says, and its labels. docs/reference/metrics.md is made from this."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

_FAST_S = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
_CALL_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter.

    Attributes:
        name: As `/metrics` shows it; counters get `_total` there.
        kind: How its values add up: counters and histograms only grow while a process lives.
        says: What it says, for the page and for `/metrics`.
        labels: What tells its values apart, a bounded number of each.
        bounds: The upper bounds of a histogram's buckets.
    """

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def shown_name(self) -> str:
        """Return the name to use in queries; a histogram's stands before `_bucket`, `_sum` and `_count`."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


# The server.
BUILD = Meter("evalhaven_build_info", "gauge", "Always 1; the labels say what is running.", ("version", "python"))
REQUESTS = Meter(
    "evalhaven_requests",
    "counter",
    "Requests to this server, by the pattern of their path. Those to unknown paths have the route `unknown`.",
    ("method", "route", "status"),
)
REQUEST_SECONDS = Meter(
    "evalhaven_request_seconds",
    "histogram",
    "Time from the head of a request to the end of its answer; streams of events are not among them.",
    ("route",),
    _FAST_S,
)
REQUESTS_UNDER_WAY = Meter("evalhaven_requests_under_way", "gauge", "Requests that are being answered, streams too.")
PROCESSES = Meter(
    "evalhaven_processes",
    "gauge",
    "Processes that are kept alive: `executor`, of which PostgreSQL may have several, `recorder`, or `worker`.",
    ("process",),
)
PROCESSES_UP = Meter(
    "evalhaven_processes_up", "gauge", "How many of them are up and answer, or are just starting.", ("process",)
)

# Runs.
RUNS_ENDED = Meter(
    "evalhaven_runs_ended", "counter", "Runs that ended: `completed`, `failed` or `canceled`.", ("status",)
)
ITEMS = Meter(
    "evalhaven_items", "counter", "Output items that were stored: `passed`, `failed` or `errored`.", ("outcome",)
)
TOKENS = Meter(
    "evalhaven_tokens", "counter", "Tokens of the calls of stored items: `prompt` or `completion`.", ("model", "kind")
)
COST = Meter(
    "evalhaven_cost_dollars", "counter", "US dollars of the calls of stored items, where a price is known.", ("model",)
)

# Calls to models.
CALLS = Meter(
    "evalhaven_calls",
    "counter",
    "Attempts to call a model, for runs (`via` is `run`) or through the gateway (`gateway`). The outcome is `ok`, or "
    "why there was no answer: `rate_limit`, `server_error`, `busy`, `timeout`, `connection`, `invalid_reply`, "
    "`refused`, and at the gateway `hung_up` for clients that left.",
    ("via", "endpoint", "model", "outcome"),
)
CALL_SECONDS = Meter(
    "evalhaven_call_seconds",
    "histogram",
    "Time from sending a request to a model until its answer was complete, of attempts that were answered.",
    ("via", "endpoint", "model"),
    _CALL_S,
)
LIMITER_LIMIT = Meter(
    "evalhaven_limiter_limit",
    "gauge",
    "Most calls to a model that runs may have under way now. It adapts to the endpoint.",
    ("endpoint", "model"),
)
LIMITER_IN_FLIGHT = Meter(
    "evalhaven_limiter_in_flight", "gauge", "Calls of runs to a model that are under way.", ("endpoint", "model")
)
LIMITER_WAITING = Meter(
    "evalhaven_limiter_waiting",
    "gauge",
    "Calls of runs that wait for a place, a pause or an allowance.",
    ("endpoint", "model"),
)

# What waits. These are facts about the database, so each server of it says the same.
RUNS_ACTIVE = Meter(
    "evalhaven_runs_active", "gauge", "Runs that have not ended: `queued` or `in_progress`.", ("status",)
)
CHUNKS_PENDING = Meter("evalhaven_chunks_pending", "gauge", "Chunks of these runs that are not done.")
JOBS = Meter(
    "evalhaven_jobs",
    "gauge",
    "Jobs of the queue on PostgreSQL, which has a few of each run: `waiting` or `under_way`.",
    ("state",),
)
OLDEST_WAIT_SECONDS = Meter(
    "evalhaven_oldest_wait_seconds", "gauge", "How long the oldest queued run has waited; 0 if none does."
)
WORKERS = Meter(
    "evalhaven_workers", "gauge", "Workers of the PostgreSQL database: `live`, or `silent` for a lease.", ("state",)
)

# The database.
DATABASE_UP = Meter("evalhaven_database_up", "gauge", "1 if the database answered when it was last asked, else 0.")
DATABASE_BYTES = Meter("evalhaven_database_bytes", "gauge", "Size of the database.")
TRANSACTION_SECONDS = Meter(
    "evalhaven_transaction_seconds",
    "histogram",
    "Time of a transaction, waiting for its connection and its turn included: `read` or `write`.",
    ("process", "kind"),
    _FAST_S,
)
TRANSACTIONS_FAILED = Meter(
    "evalhaven_transactions_failed",
    "counter",
    "Transactions that failed because the database was `busy` (locked, or all connections taken) or `unavailable`. "
    "Runs repeat them.",
    ("process", "reason"),
)
CONNECTIONS = Meter("evalhaven_connections", "gauge", "Connections to the database that are in use.", ("process",))
CONNECTIONS_MOST = Meter("evalhaven_connections_most", "gauge", "Most of them that there can be.", ("process",))

# Graders in Python.
SANDBOX_HOSTS = Meter("evalhaven_sandbox_hosts", "gauge", "Processes that execute python graders, or are kept warm.")
SANDBOX_WAITING = Meter("evalhaven_sandbox_waiting", "gauge", "Python graders that wait for such a process.")
SANDBOX_KILLED = Meter(
    "evalhaven_sandbox_killed",
    "counter",
    "Such processes that were ended because of what they did, by the error of the grade.",
    ("reason",),
)

# Logged calls.
LOGGED_CALLS = Meter("evalhaven_logged_calls", "counter", "Calls through the gateway that the recorder has taken over.")
LOGGED_CALLS_WAITING = Meter("evalhaven_logged_calls_waiting", "gauge", "Calls that wait to be stored.")
LOGGED_CALLS_LOST = Meter(
    "evalhaven_logged_calls_lost",
    "counter",
    "Calls that were to be stored and were not: `overflow` of the queue, `killed` with a process, `unreadable`, or "
    "`failed`. They are counted since the data directory was made.",
    ("reason",),
)

METERS = (
    *(BUILD, REQUESTS, REQUEST_SECONDS, REQUESTS_UNDER_WAY, PROCESSES, PROCESSES_UP),
    *(RUNS_ENDED, ITEMS, TOKENS, COST),
    *(CALLS, CALL_SECONDS, LIMITER_LIMIT, LIMITER_IN_FLIGHT, LIMITER_WAITING),
    *(RUNS_ACTIVE, CHUNKS_PENDING, JOBS, OLDEST_WAIT_SECONDS, WORKERS),
    *(DATABASE_UP, DATABASE_BYTES, TRANSACTION_SECONDS, TRANSACTIONS_FAILED, CONNECTIONS, CONNECTIONS_MOST),
    *(SANDBOX_HOSTS, SANDBOX_WAITING, SANDBOX_KILLED),
    *(LOGGED_CALLS, LOGGED_CALLS_WAITING, LOGGED_CALLS_LOST),
)

BY_NAME = {meter.name: meter for meter in METERS}
