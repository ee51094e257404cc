"""Runs graded again and items tried again; graders that are asked for directly.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step."""
    op.add_column("runs", sa.Column("times_retried", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("runs", sa.Column("source_run_key", KEY, nullable=True))
    op.add_column("runs", sa.Column("regrading", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("testing_criteria", sa.Text(), nullable=True))
    op.add_column("chunks", sa.Column("last_position", sa.BigInteger(), nullable=True))
    op.create_table(
        "grader_calls",
        sa.Column("key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_grader_calls_project_id"),
        sa.PrimaryKeyConstraint("key", name="pk_grader_calls"),
    )
