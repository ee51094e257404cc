"""Which runs and databases a release can use; in PostgreSQL the workers that share them, what they hold, and servers.

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
    if op.get_context().dialect.name == "postgresql":
        _make_queue_tables()
    compatibility = op.create_table(
        "compatibility",
        sa.Column("oldest_revision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("oldest_revision", name="pk_compatibility"),
    )
    op.bulk_insert(compatibility, [{"oldest_revision": revision}])
    # Last, since nobody can use the table until the step is committed.
    op.add_column("runs", sa.Column("format", sa.Integer(), server_default=sa.text("1"), nullable=False))


def _make_queue_tables() -> None:
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
        sa.Column("slots", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.Column("paused_until", time, nullable=True),
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
    counts = ("pending", "in_question", "overflow", "killed", "unreadable", "failed")
    op.create_table(
        "servers",
        sa.Column("seat", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("heard_at", time, nullable=False),
        sa.Column("is_up", sa.Boolean(), nullable=False),
        sa.Column("recorder", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        sa.PrimaryKeyConstraint("seat", name="pk_servers"),
        schema=_SCHEMA,
    )
    op.create_table(
        "run_guards",
        sa.Column("run_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("times_retried", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("watches", sa.Text(), nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_key", "times_retried", name="pk_run_guards"),
        schema=_SCHEMA,
    )
    op.create_table(
        "outages",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("since", time, nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("is_unreached", sa.Boolean(), nullable=False),
        sa.Column("next_probe_at", time, nullable=False),
        sa.Column("probe_every_s", sa.Float(), nullable=False),
        sa.Column("held_until", time, nullable=False),
        sa.PrimaryKeyConstraint("endpoint", name="pk_outages"),
        schema=_SCHEMA,
    )
