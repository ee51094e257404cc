"""Logged calls, in partitions by day; on SQLite they are in files beside the database.

Revision: 0007, after 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE TABLE logged_calls (key BIGINT NOT NULL, project_id BIGINT NOT NULL, kind SMALLINT NOT NULL, "
        "name BYTEA NOT NULL, origin BYTEA NOT NULL, terms TSVECTOR, data BYTEA, "
        "CONSTRAINT pk_logged_calls PRIMARY KEY (key)) PARTITION BY RANGE (key)"
    )
    op.execute("CREATE INDEX ix_logged_calls_name ON logged_calls (name, key)")
    # What is not yet sorted into the index, 4 MB by default, is read by every search.
    op.execute(
        "CREATE INDEX ix_logged_calls_terms ON logged_calls USING gin (terms) WITH (gin_pending_list_limit=1024)"
    )
    op.execute(
        "CREATE TABLE logged_call_files (day INTEGER NOT NULL, hash BYTEA NOT NULL, uses INTEGER NOT NULL, "
        "data BYTEA NOT NULL, CONSTRAINT pk_logged_call_files PRIMARY KEY (day, hash)) PARTITION BY LIST (day)"
    )
    op.execute("CREATE SEQUENCE logged_call_numbers MINVALUE 0 MAXVALUE 16777215 CYCLE")
