"""The queue's own tables, beside those that Procrastinate brings along."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Index, Integer, MetaData, Table, Text, func

from evalhaven.storage.tables import JsonText

SCHEMA = "evalhaven_queue"
WAKE_CHANNEL = "evalhaven_wake"
"""On which workers are told that something was created, canceled or deleted."""

queue_metadata = MetaData(
    schema=SCHEMA,
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)

# Procrastinate's own, as far as our queries name them.
procrastinate = MetaData(schema=SCHEMA)
heartbeats = Table(
    "procrastinate_workers",
    procrastinate,
    Column("id", BigInteger, primary_key=True),
    Column("last_heartbeat", DateTime(timezone=True), nullable=False),
)
jobs = Table(
    "procrastinate_jobs",
    procrastinate,
    Column("id", BigInteger, primary_key=True),
    Column("queue_name", Text, nullable=False),
    Column("task_name", Text, nullable=False),
    Column("queueing_lock", Text),
    Column("status", Text, nullable=False),  # an enumeration, compared as text
    Column("worker_id", BigInteger),
    Column("priority", Integer, nullable=False),
)

job_events = Table(
    "procrastinate_events",
    procrastinate,
    Column("id", BigInteger, primary_key=True),
    Column("job_id", BigInteger, nullable=False),
    Column("type", Text),  # an enumeration, compared as text
    Column("at", DateTime(timezone=True)),
)

# Procrastinate keeps no record of which of its migrations a database has had.
applied_migrations = Table(
    "applied_migrations",
    queue_metadata,
    Column("name", Text(collation="C"), primary_key=True),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

# Who the workers are; a row goes with Procrastinate's row of the same number. Whoever takes a seat knows that the
# worker that sat there before is dead, since a data directory's lock or a parent process says so.
workers = Table(
    "workers",
    queue_metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("seat", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("process", Integer, nullable=False),
    Column("release", Text, nullable=False),
    Column("run_format", Integer, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index(None, workers.c.seat)

# What one worker at a time does for all, such as purging.
duties = Table(
    "duties",
    queue_metadata,
    Column("name", Text, primary_key=True),
    Column("worker_id", BigInteger, nullable=False),
    Column("held_until", DateTime(timezone=True), nullable=False),
)

# Which worker answers a grader that is asked for one sample.
grader_claims = Table(
    "grader_claims",
    queue_metadata,
    Column("call_key", BigInteger, primary_key=True, autoincrement=False),
    Column("worker_id", BigInteger, nullable=False),
    Column("held_until", DateTime(timezone=True), nullable=False),
)

# How many of the slots of a limit, such as that of a model at an endpoint, each worker has, and how many it would use.
# The tokens or millionths of a dollar that are left of a run's budget, or of a project's month, are lent likewise.
limit_shares = Table(
    "limit_shares",
    queue_metadata,
    Column("name", Text, primary_key=True),
    Column("worker_id", BigInteger, primary_key=True, autoincrement=False),
    Column("slots", BigInteger, nullable=False),
    Column("wanted", BigInteger, nullable=False),
    Column("held_until", DateTime(timezone=True), nullable=False),
    Column("paused_until", DateTime(timezone=True)),  # as the endpoint asked this worker
)

# How the calls of a run go at each worker that executes a part of it.
run_flows = Table(
    "run_flows",
    queue_metadata,
    Column("run_key", BigInteger, primary_key=True, autoincrement=False),
    Column("worker_id", BigInteger, primary_key=True, autoincrement=False),
    Column("flow", JsonText, nullable=False),
    Column("held_until", DateTime(timezone=True), nullable=False),
)

# The servers of this database, by the seats of their data directories, with what became of the calls that each was to
# store. A server that has ended stays for a while, since its losses count.
servers = Table(
    "servers",
    queue_metadata,
    Column("seat", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("process", Integer, nullable=False),
    Column("release", Text, nullable=False),
    Column("heard_at", DateTime(timezone=True), nullable=False),
    Column("is_up", Boolean, nullable=False),
    Column("recorder", Text),
    Column("problem", Text, nullable=False),
    Column("pending", BigInteger, nullable=False),
    Column("in_question", BigInteger, nullable=False),
    Column("overflow", BigInteger, nullable=False),
    Column("killed", BigInteger, nullable=False),
    Column("unreadable", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
)

# What the guards of all workers know of a run together: how its calls failed lately, and what they have cost.
run_guards = Table(
    "run_guards",
    queue_metadata,
    Column("run_key", BigInteger, primary_key=True, autoincrement=False),
    Column("times_retried", Integer, primary_key=True, autoincrement=False),
    Column("watches", JsonText, nullable=False),
    Column("cost", Float, nullable=False),
    Column("tokens", BigInteger, nullable=False),
)

# What the workers have told each other that the runs of a project cost in a month. It is ahead of `month_costs`, in
# which items count when they are stored, and goes when no run of the project is under way.
month_guards = Table(
    "month_guards",
    queue_metadata,
    Column("project_id", BigInteger, primary_key=True, autoincrement=False),
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("cost", Float, nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False),
)

# Endpoints that are gone. The row is deleted by whoever has an answer; one that nobody holds any more says nothing.
outages = Table(
    "outages",
    queue_metadata,
    Column("endpoint", Text, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("error", JsonText, nullable=False),
    Column("is_unreached", Boolean, nullable=False),
    Column("next_probe_at", DateTime(timezone=True), nullable=False),
    Column("probe_every_s", Float, nullable=False),
    Column("held_until", DateTime(timezone=True), nullable=False),
)
