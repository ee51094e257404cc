"""Which runs a release can execute; and in PostgreSQL the workers that share them, with duties and parts of limits.

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SCHEMA = "evalhaven_queue"


def upgrade() -> None:
    """Apply the step."""
    op.add_column("runs", sa.Column("format", sa.Integer(), server_default=sa.text("1"), nullable=False))
    if op.get_context().dialect.name != "postgresql":
        return
    time = sa.DateTime(timezone=True)
    op.create_table(
        "workers",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seat", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("run_format", sa.Integer(), nullable=False),
        sa.Column("started_at", time, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
        schema=_SCHEMA,
    )
    op.create_index("ix_workers_seat", "workers", ["seat"], schema=_SCHEMA)
    op.create_table(
        "duties",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_duties"),
        schema=_SCHEMA,
    )
    op.create_table(
        "grader_claims",
        sa.Column("call_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.PrimaryKeyConstraint("call_key", name="pk_grader_claims"),
        schema=_SCHEMA,
    )
    op.create_table(
        "limit_shares",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.PrimaryKeyConstraint("name", "worker_id", name="pk_limit_shares"),
        schema=_SCHEMA,
    )
    op.create_table(
        "run_flows",
        sa.Column("run_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("worker_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.PrimaryKeyConstraint("run_key", "worker_id", name="pk_run_flows"),
        schema=_SCHEMA,
    )
