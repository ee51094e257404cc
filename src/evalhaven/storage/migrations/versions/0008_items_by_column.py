"""What reports and comparisons need of a run's items, by column; the pinned run of an eval.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step: the columns of runs that have ended are made while the server works."""
    op.add_column("runs", sa.Column("items_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("runs", sa.Column("columns_version", sa.BigInteger(), server_default=sa.text("-1"), nullable=False))
    op.create_index(
        "ix_runs_outdated_columns",
        "runs",
        ["key"],
        sqlite_where=sa.text("columns_version <> items_version"),
        postgresql_where=sa.text("columns_version <> items_version"),
    )
    op.create_table(
        "run_columns",
        sa.Column("run_key", KEY, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name="fk_run_columns_run_key"),
        sa.PrimaryKeyConstraint("run_key", "name", "part", name="pk_run_columns"),
    )
    op.create_table(
        "run_column_heads",
        sa.Column("run_key", KEY, autoincrement=False, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("items_version", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=True),
        sa.Column("last_repeat", sa.Integer(), nullable=True),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name="fk_run_column_heads_run_key"),
        sa.PrimaryKeyConstraint("run_key", name="pk_run_column_heads"),
    )
    op.create_table(
        "pinned_runs",
        sa.Column("eval_key", KEY, autoincrement=False, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("run_key", KEY, nullable=False),
        sa.Column("pinned_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["eval_key"], ["evals.key"], name="fk_pinned_runs_eval_key"),
        sa.ForeignKeyConstraint(["run_key"], ["runs.key"], name="fk_pinned_runs_run_key"),
        sa.PrimaryKeyConstraint("eval_key", name="pk_pinned_runs"),
    )
