"""The tables of access. Of keys and sessions, only hashes are stored."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from evalhaven.storage.tables import Id, JsonText, Key, metadata

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("public_id", Id, nullable=False, unique=True),
    Column("name", JsonText, nullable=False),
    Column("role", Text, nullable=False),  # the published words: `member` or `owner`
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
)
Index(None, service_accounts.c.project_id)

# Those who have logged in, as whoever vouches for them calls them.
people = Table(
    "people",
    metadata,
    Column("key", Key, primary_key=True),
    Column("public_id", Id, nullable=False, unique=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("email", JsonText),
    Column("is_email_verified", Boolean, nullable=False, server_default=false()),
    Column("name", JsonText),
    Column("is_organization_admin", Boolean, nullable=False, server_default=false()),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger),
    UniqueConstraint("issuer", "subject"),
)

members = Table(
    "members",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True, autoincrement=False),
    Column("person_key", Key, ForeignKey("people.key"), primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Index(None, members.c.person_key)

# A revoked key stays, so that whoever still sends it can be told, and so that keys remain needed.
api_keys = Table(
    "api_keys",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id")),  # NULL: an admin key
    Column("public_id", Id, nullable=False, unique=True),
    Column("name", JsonText, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("redacted", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # names of permissions with spaces between
    Column("service_account_key", Key, ForeignKey("service_accounts.key")),
    Column("person_key", Key, ForeignKey("people.key")),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)
Index(None, api_keys.c.project_id, api_keys.c.key)
Index(None, api_keys.c.service_account_key)

# Somebody who is logged in to the dashboard, by a key or as a person.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id")),  # the one that is looked at
    Column("api_key_key", Key, ForeignKey("api_keys.key")),
    Column("person_key", Key, ForeignKey("people.key")),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
Index(None, sessions.c.expires_at)
Index(None, sessions.c.api_key_key)
Index(None, sessions.c.person_key)

# What callers changed of access and of the organization.
audit = Table(
    "audit",
    metadata,
    Column("key", Key, primary_key=True),
    Column("project_id", Key, ForeignKey("projects.id")),  # NULL: it concerns the organization
    Column("created_at", BigInteger, nullable=False),
    Column("caller_kind", Text, nullable=False),
    Column("caller_id", Id, nullable=False),
    Column("caller_name", JsonText, nullable=False),
    Column("action", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Id, nullable=False),
    Column("details", JsonText, nullable=False),
    Column("request_id", Text),
    Column("address", Text),
)
Index(None, audit.c.project_id, audit.c.key)

# What a project may use; NULL, like a missing row, is no limit.
limits = Table(
    "limits",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True, autoincrement=False),
    Column("requests_per_minute", Integer),
    Column("concurrent_runs", Integer),
    Column("stored_bytes", BigInteger),
    Column("run_cost", Float),
    Column("month_cost", Float),
)

# A project without a row keeps its logged calls for as long as the server keeps any.
call_retention = Table(
    "call_retention",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True, autoincrement=False),
    Column("days", Integer, nullable=False),
)

key_limits = Table(
    "key_limits",
    metadata,
    Column("api_key_key", Key, ForeignKey("api_keys.key"), primary_key=True, autoincrement=False),
    Column("project_id", Key, ForeignKey("projects.id"), nullable=False),
    Column("requests_per_minute", Integer, nullable=False),
)

# What the runs of a project cost in a calendar month: a sum that grows in the transactions that store their items, so
# that to delete a run gives no money back, and a run that is retried counts in the month of its calls.
month_costs = Table(
    "month_costs",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True, autoincrement=False),
    Column("month", Integer, primary_key=True, autoincrement=False),  # such as 202611, in UTC
    Column("cost", Float, nullable=False),
)

# Of the release before, in which only what purged runs had cost was kept. A step that may remove something drops it.
purged_costs = Table(
    "purged_costs",
    metadata,
    Column("project_id", Key, ForeignKey("projects.id"), primary_key=True, autoincrement=False),
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("cost", Float, nullable=False),
)
