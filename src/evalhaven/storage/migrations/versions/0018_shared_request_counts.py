"""Requests a minute counted over all servers of a PostgreSQL database.

Revision: 0018, after 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    if op.get_bind().dialect.name != "postgresql":
        return  # one server uses the file, and counts in memory
    op.create_table(
        "request_counts",
        sa.Column("project_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("api_key_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("remaining", sa.Float(), nullable=False),
        sa.Column("counted_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "api_key_key", name="pk_request_counts"),
        # What a crash of the database loses is a minute's requests, and no commit waits for the disk.
        prefixes=["UNLOGGED"],
    )
