"""The tables, for SQLite and PostgreSQL alike.

JSON documents are text that the database never parses: U+0000, lone surrogates, big integers, key order and
number formats come back as they went in. What users wrote into an eval or a run is returned as text, which
`domain/documents.py` parses when needed. `imported_document` is an imported object as the API it came from
answered it.
A public id names an object within its project: two projects may import the same account.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)

from evalhaven.domain import jsontext

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# In SQLite only INTEGER PRIMARY KEY is an alias of the row id.
Key = BigInteger().with_variant(Integer, "sqlite")
# Ids are ordered by their bytes on both databases, whatever the collation of a PostgreSQL database.
Id = Text().with_variant(Text(collation="C"), "postgresql")


def _index_where(name: str, column: Column[Any], condition: str) -> None:
    """Add an index over the few rows of a table that satisfy a condition."""
    Index(name, column, sqlite_where=text(condition), postgresql_where=text(condition))


class JsonText(TypeDecorator[Any]):
    """A JSON value kept as its text; also used for single strings, which may hold U+0000 or lone surrogates."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Return the text of a value; None is SQL NULL."""
        return None if value is None else jsontext.render(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Return the value of a text."""
        return None if value is None else jsontext.parse(value)


# The oldest revision whose release can still use this database, beside newer ones: one row.
compatibility = Table("compatibility", metadata, Column("oldest_revision", Text, primary_key=True))

projects = Table(
    "projects",
    metadata,
    Column("id", Key, primary_key=True),
    Column("public_id", Id, nullable=False, unique=True),
    Column("name", JsonText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("blob_store", Text),  # the identity of the blob store that holds the project's files
    Column("archived_at", BigInteger),
    Column("tried_at", BigInteger),  # written to find out whether the database can be written
)

evals = Table(
    "evals",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("public_id", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Column("purged_at", BigInteger),
    Column("imported_at", BigInteger),
    Column("name", JsonText, nullable=False),
    Column("metadata", JsonText, nullable=False),
    Column("data_source_config", Text, nullable=False),
    Column("testing_criteria", Text, nullable=False),
    Column("warnings", JsonText, nullable=False),
    Column("imported_document", Text),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("follows", Id),  # the public id of the eval of which this one is the next version
    UniqueConstraint("project_id", "public_id"),
)
Index(None, evals.c.project_id, evals.c.created_at, evals.c.public_id)
Index(None, evals.c.project_id, evals.c.updated_at, evals.c.public_id)
_index_where("ix_evals_to_purge", evals.c.key, "deleted_at IS NOT NULL AND purged_at IS NULL")

# Which evals follow another one: found without reading all evals, whose rows may be long.
eval_followers = Table(
    "eval_followers",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True),
    Column("follows", Id, primary_key=True),
    Column("eval_key", Key, ForeignKey("evals.key"), primary_key=True),
)

files = Table(
    "files",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("public_id", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("deleted_at", BigInteger),
    Column("purged_at", BigInteger),
    Column("imported_at", BigInteger),
    Column("filename", JsonText, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("imported_document", Text),
    UniqueConstraint("project_id", "public_id"),
)
Index(None, files.c.project_id, files.c.created_at, files.c.public_id)
_index_where("ix_files_expiring", files.c.expires_at, "expires_at IS NOT NULL AND deleted_at IS NULL")
_index_where("ix_files_to_purge", files.c.key, "deleted_at IS NOT NULL AND purged_at IS NULL")

# Files that are sent in parts.
uploads = Table(
    "uploads",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("public_id", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("purged_at", BigInteger),  # when the last of its parts was removed
    Column("status", Text, nullable=False),
    Column("filename", JsonText, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("file_expires_after", BigInteger),
    Column("file_id", Id),
    Column("request_hash", LargeBinary),
    UniqueConstraint("project_id", "public_id"),
)
_index_where("ix_uploads_expiring", uploads.c.expires_at, "ended_at IS NULL")
_index_where("ix_uploads_to_purge", uploads.c.key, "ended_at IS NOT NULL AND purged_at IS NULL")
_index_where("ix_uploads_to_forget", uploads.c.purged_at, "purged_at IS NOT NULL")

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, nullable=False),
    Column("upload_key", Key, ForeignKey("uploads.key"), nullable=False),
    Column("public_id", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    UniqueConstraint("project_id", "public_id"),
)
Index(None, upload_parts.c.upload_key)

runs = Table(
    "runs",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("eval_key", Key, ForeignKey("evals.key"), nullable=False),
    Column("public_id", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("deleted_at", BigInteger),
    Column("purged_at", BigInteger),
    Column("imported_at", BigInteger),
    Column("status", Text, nullable=False),
    Column("name", JsonText, nullable=False),
    Column("model", JsonText, nullable=False),
    Column("metadata", JsonText, nullable=False),
    Column("data_source", Text, nullable=False),
    Column("has_inline_rows", Boolean, nullable=False, server_default=false()),
    Column("file_id", Id),
    Column("error", JsonText),
    Column("items_planned", BigInteger),
    Column("passed", BigInteger, nullable=False, server_default=text("0")),
    Column("failed", BigInteger, nullable=False, server_default=text("0")),
    Column("errored", BigInteger, nullable=False, server_default=text("0")),
    Column("unresolved", BigInteger, nullable=False, server_default=text("0")),
    Column("criteria_tally", JsonText),
    Column("spending", JsonText),
    Column("warnings", JsonText, nullable=False),
    Column("imported_document", Text),
    Column("options", JsonText),
    Column("flow", JsonText),
    Column("times_retried", Integer, nullable=False, server_default=text("0")),
    Column("source_run_key", Key),  # the run whose output items it grades
    Column("regrading", JsonText),
    Column("testing_criteria", Text),  # its own, if they are not the eval's
    Column("source_bytes", BigInteger),  # length of the blob of its rows; NULL: not recorded
    Column("evaluated_by", Text),  # the process that evaluates its chunks
    Column("deaths", Integer, nullable=False, server_default=text("0")),  # deaths of such, with no item stored since
    Column("items_version", BigInteger, nullable=False, server_default=text("0")),  # how often its items changed
    Column("columns_version", BigInteger, nullable=False, server_default=text("-1")),  # the version its columns show
    Column("retry_choice", JsonText),  # which errored items a retry executes again; NULL: all, and what is missing
    Column("traceparent", Text),  # the span of the request that made it, if that was traced
    Column("format", Integer, nullable=False, server_default=text("1")),  # what a worker has to know to execute it
    UniqueConstraint("project_id", "public_id"),
)
# Without the project, or SQLite would use it to find the runs of an eval. It is for the few newest runs of all.
Index(None, runs.c.created_at, runs.c.public_id)
Index(None, runs.c.eval_key, runs.c.created_at, runs.c.public_id)
Index(None, runs.c.eval_key, runs.c.status, runs.c.created_at, runs.c.public_id)
_ACTIVE = "status IN ('queued', 'in_progress')"
# As text, without bound values: SQLite matches a partial index only against the condition it was made with.
is_active_run = text(f"runs.{_ACTIVE}")
_index_where("ix_runs_active", runs.c.key, _ACTIVE)
_index_where("ix_runs_reading_files", runs.c.file_id, "file_id IS NOT NULL")
_index_where("ix_runs_to_purge", runs.c.key, "deleted_at IS NOT NULL AND purged_at IS NULL")
_OUTDATED = "columns_version <> items_version"
has_outdated_columns = text(f"runs.{_OUTDATED.replace('<> ', '<> runs.')}")
_index_where("ix_runs_outdated_columns", runs.c.key, _OUTDATED)

chunks = Table(
    "chunks",
    metadata,
    Column("project_id", Key, nullable=False),
    Column("run_key", Key, ForeignKey("runs.key"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("first_position", BigInteger, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("byte_start", BigInteger, nullable=False),
    Column("byte_end", BigInteger, nullable=False),
    Column("is_done", Boolean, nullable=False, server_default=false()),
    Column("last_position", BigInteger),
    sqlite_with_rowid=False,
)
Index(None, chunks.c.run_key, chunks.c.is_done, chunks.c.number)

# Clustered by (run, position, repeat); what is the same for every item of a run is stored with the run.
output_items = Table(
    "output_items",
    metadata,
    Column("run_key", Key, ForeignKey("runs.key"), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("repeat", Integer, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("public_id", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("score", Float),
    Column("latency_ms", Integer),
    Column("tokens", BigInteger),
    Column("error_code", JsonText),
    Column("item", Text, nullable=False),
    Column("item_hash", LargeBinary, nullable=False),
    Column("input", Text),
    Column("sample", Text),
    Column("grades", Text, nullable=False),
    Column("imported_document", Text),
    sqlite_with_rowid=False,
)
# Unique so that SQLite prefers it to the primary key, with which it would scan a whole run.
Index(None, output_items.c.run_key, output_items.c.public_id, unique=True)
Index(None, output_items.c.run_key, output_items.c.created_at, output_items.c.public_id)
Index(None, output_items.c.run_key, output_items.c.status, output_items.c.created_at, output_items.c.public_id)

# What reports and comparisons need of a run's items, by column instead of by item: made while the run goes on. A part
# holds the values of one column for some ten thousand items, in order of position and repeat.
run_columns = Table(
    "run_columns",
    metadata,
    Column("run_key", Key, ForeignKey("runs.key"), primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# How far the columns of a run have been made, and what the codes in them stand for.
run_column_heads = Table(
    "run_column_heads",
    metadata,
    Column("run_key", Key, ForeignKey("runs.key"), primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("items_version", BigInteger, nullable=False),
    Column("form", Integer, nullable=False),  # which release's columns these are
    Column("parts", Integer, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("last_position", BigInteger),
    Column("last_repeat", Integer),
    Column("codes", Text, nullable=False),
)

# What happened to a run, in order: small, since only what a person would want to know of it is recorded.
run_events = Table(
    "run_events",
    metadata,
    Column("run_key", Key, ForeignKey("runs.key"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("details", JsonText, nullable=False),
)

# The run of an eval with which later ones are compared unless another is named.
pinned_runs = Table(
    "pinned_runs",
    metadata,
    Column("eval_key", Key, ForeignKey("evals.key"), primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("run_key", Key, ForeignKey("runs.key"), nullable=False),
    Column("pinned_at", BigInteger, nullable=False),
)

# The outbox: an event is written in the transaction of its change.
events = Table(
    "events",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("object_id", Id, nullable=False),
)
Index(None, events.c.created_at)

# Who is told of the events of a project.
subscribers = Table(
    "subscribers",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("name", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("event_types", JsonText),  # the types of the events it is told of; NULL: all
    UniqueConstraint("project_id", "name"),
)

# Subscribers that are told over HTTP.
webhooks = Table(
    "webhooks",
    metadata,
    Column("subscriber_key", Key, ForeignKey("subscribers.key"), primary_key=True, autoincrement=False),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("public_id", Id, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("name", JsonText, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", JsonText, nullable=False),
    Column("format", Text, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("secret_hint", Text, nullable=False),
    Column("previous_secret", LargeBinary),
    Column("previous_until", BigInteger),
    Column("off_since", BigInteger),
    Column("off_reason", Text),
    Column("failing_since", BigInteger),
    Column("last_delivered_at", BigInteger),
    Column("problem", JsonText),
    UniqueConstraint("project_id", "public_id"),
)
Index(None, webhooks.c.project_id, webhooks.c.created_at, webhooks.c.public_id)

# The state of each event's delivery to each subscriber: written with the event, so that none is missed.
deliveries = Table(
    "deliveries",
    metadata,
    Column("subscriber_key", Key, ForeignKey("subscribers.key"), primary_key=True, autoincrement=False),
    Column("event_key", Key, ForeignKey("events.key"), primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", BigInteger),  # when it is tried next; NULL: it was delivered or given up
    Column("delivered_at", BigInteger),
    Column("problem", JsonText),  # why the last attempt failed
    Column("tried_since", BigInteger),  # when it was first tried since it was last asked for
    sqlite_with_rowid=False,
)
Index(None, deliveries.c.event_key)
_index_where("ix_deliveries_due", deliveries.c.due_at, "due_at IS NOT NULL")
_IS_DUE = text("due_at IS NOT NULL")
Index(
    "ix_deliveries_due_by_subscriber",
    deliveries.c.subscriber_key,
    deliveries.c.due_at,
    sqlite_where=_IS_DUE,
    postgresql_where=_IS_DUE,
)

# What became of each attempt to deliver an event.
delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("subscriber_key", Key, primary_key=True, autoincrement=False),
    Column("event_key", Key, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("tried_at", BigInteger, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("status_code", Integer),
    Column("reply", JsonText, nullable=False),
    Column("problem", JsonText, nullable=False),
    sqlite_with_rowid=False,
)

# A request repeated with the same Idempotency-Key is answered with the object that the first one made.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True),
    Column("idempotency_key", Id, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("object_id", Id, nullable=False),
)
Index(None, idempotency_keys.c.created_at)

# The secrets of a run's tools: encrypted, and erased when the run gets its final status.
run_secrets = Table(
    "run_secrets",
    metadata,
    Column("run_key", Key, ForeignKey("runs.key"), primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# Model answers by the hash of all that shaped them; read and written only by runs that ask for it.
sample_cache = Table(
    "sample_cache",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True),
    Column("request_hash", LargeBinary, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("sample", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, sample_cache.c.created_at)

# Graders asked for one sample: a request waits here for the executor, and its answer for the server that asked.
grader_calls = Table(
    "grader_calls",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("request", JsonText, nullable=False),
    Column("answer", JsonText),
)

# Nothing has ever used these two: workers hold limits in `limit_shares`. A step that may remove something drops them.
model_limits = Table(
    "model_limits",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("concurrency", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

model_shares = Table(
    "model_shares",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("worker", Text, primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)
