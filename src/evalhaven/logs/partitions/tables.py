"""The tables of logged calls, which only PostgreSQL has.

`terms` has everything that calls are found by: tags, words, and words of instructions with a mark. A deleted call
keeps its row, without data and terms: it is known, and its id remains a valid cursor. Within a partition (project,
origin) is unique, which the table as a whole cannot say.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

partitioned = MetaData()

logged_calls = Table(
    "logged_calls",
    partitioned,
    Column("key", BigInteger, nullable=False, autoincrement=False),
    Column("project_id", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("origin", LargeBinary, nullable=False),
    Column("terms", TSVECTOR),
    Column("data", LargeBinary),
    PrimaryKeyConstraint("key", name="pk_logged_calls"),
    Index("ix_logged_calls_name", "name", "key"),
    Index("ix_logged_calls_terms", "terms", postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 1024}),
    postgresql_partition_by="RANGE (key)",
)

logged_call_files = Table(
    "logged_call_files",
    partitioned,
    Column("day", Integer, nullable=False, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("day", "hash", name="pk_logged_call_files"),
    postgresql_partition_by="LIST (day)",
)
