"""What projects and keys may use, and what runs cost that are purged.

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "limits",
        sa.Column("project_id", KEY, autoincrement=False, nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("concurrent_runs", sa.Integer(), nullable=True),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=True),
        sa.Column("run_cost", sa.Float(), nullable=True),
        sa.Column("month_cost", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_limits_project_id"),
        sa.PrimaryKeyConstraint("project_id", name="pk_limits"),
    )
    op.create_table(
        "key_limits",
        sa.Column("api_key_key", KEY, autoincrement=False, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["api_key_key"], ["api_keys.key"], name="fk_key_limits_api_key_key"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_key_limits_project_id"),
        sa.PrimaryKeyConstraint("api_key_key", name="pk_key_limits"),
    )
    op.create_table(
        "purged_costs",
        sa.Column("project_id", KEY, autoincrement=False, nullable=False),
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_purged_costs_project_id"),
        sa.PrimaryKeyConstraint("project_id", "month", name="pk_purged_costs"),
    )
