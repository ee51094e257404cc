"""Runs that call models: their options, what they spend, remembered answers, and secrets kept until they end.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step."""
    op.add_column("runs", sa.Column("options", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("flow", sa.Text(), nullable=True))
    op.execute("ALTER TABLE runs RENAME COLUMN usage TO spending")
    op.create_table(
        "run_secrets",
        sa.Column("run_key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name="fk_run_secrets_run_key"),
        sa.PrimaryKeyConstraint("run_key", name="pk_run_secrets"),
    )
    op.create_table(
        "sample_cache",
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_sample_cache_project_id"),
        sa.PrimaryKeyConstraint("project_id", "request_hash", name="pk_sample_cache"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sample_cache_created_at", "sample_cache", ["created_at"], unique=False)
