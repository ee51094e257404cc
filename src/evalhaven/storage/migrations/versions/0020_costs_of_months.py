"""What the runs of a project cost in a month, as a sum, and what workers have told each other of it.

Revision: 0020, after 0019
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SCHEMA = "evalhaven_queue"
_PRICED = 8  # where a stored usage has its US dollars


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "month_costs",
        sa.Column("project_id", KEY, autoincrement=False, nullable=False),
        sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cost", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_month_costs_project_id"),
        sa.PrimaryKeyConstraint("project_id", "month", name="pk_month_costs"),
    )
    _add_up_this_month()
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "month_guards",
            sa.Column("project_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("month", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("cost", sa.Float(), nullable=False),
            sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("project_id", "month", name="pk_month_guards"),
            schema=_SCHEMA,
        )


def _add_up_this_month() -> None:
    """Store what this month's runs have cost so far, purged ones included; nobody asks for earlier months."""
    connection = op.get_bind()
    today = datetime.now(UTC)
    month, start = today.year * 100 + today.month, datetime(today.year, today.month, 1, tzinfo=UTC)
    purged = sa.text("SELECT project_id, cost FROM purged_costs WHERE month = :month")
    costs: dict[int, float] = {row.project_id: row.cost for row in connection.execute(purged, {"month": month})}
    spent = sa.text(
        "SELECT project_id, spending FROM runs "
        "WHERE created_at >= :start AND imported_at IS NULL AND spending IS NOT NULL"
    )
    for row in connection.execute(spent, {"start": int(start.timestamp())}):
        usages = json.loads(row.spending)["usage"]
        costs[row.project_id] = costs.get(row.project_id, 0.0) + sum(usage[_PRICED] for usage in usages)
    insert = sa.text("INSERT INTO month_costs (project_id, month, cost) VALUES (:project, :month, :cost)")
    for project_id, cost in costs.items():
        if cost:
            connection.execute(insert, {"project": project_id, "month": month, "cost": cost})
