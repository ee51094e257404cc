"""The queue's own tables, beside those that Procrastinate brings along."""

from sqlalchemy import Column, DateTime, MetaData, Table, Text, func

SCHEMA = "evalhaven_queue"

queue_metadata = MetaData(
    schema=SCHEMA,
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)

# Procrastinate keeps no record of which of its migrations a database has had.
applied_migrations = Table(
    "applied_migrations",
    queue_metadata,
    Column("name", Text(collation="C"), primary_key=True),
    Column("applied_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
