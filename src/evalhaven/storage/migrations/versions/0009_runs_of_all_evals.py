"""Runs over all evals, and by the file that they read; which errored items a retry executes again.

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("runs", sa.Column("retry_choice", sa.Text(), nullable=True))
    op.create_index("ix_runs_created_at_public_id", "runs", ["created_at", "public_id"])
    op.create_index(
        "ix_runs_reading_files",
        "runs",
        ["file_id"],
        sqlite_where=sa.text("file_id IS NOT NULL"),
        postgresql_where=sa.text("file_id IS NOT NULL"),
    )
