"""Public ids within projects; limits of models by endpoint; events that are delivered to several subscribers.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the step."""
    for table in ("evals", "files", "runs"):
        _let_projects_share_ids(table)
    _key_limits_by_endpoint()
    _let_events_have_subscribers()


def _let_projects_share_ids(table: str) -> None:
    # On SQLite the table is copied, with the keys by which others refer to it.
    with op.batch_alter_table(table) as changed:
        changed.drop_constraint(f"uq_{table}_public_id", type_="unique")
        changed.create_unique_constraint(f"uq_{table}_project_id_public_id", ["project_id", "public_id"])


def _key_limits_by_endpoint() -> None:
    # Nothing has written to them yet.
    op.drop_table("model_limits")
    op.drop_table("model_shares")
    op.create_table(
        "model_limits",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "model", name="pk_model_limits"),
    )
    op.create_table(
        "model_shares",
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint", "model", "worker", name="pk_model_shares"),
    )


def _let_events_have_subscribers() -> None:
    # No event has been delivered yet: subscribers are told of what happens after they subscribe.
    op.drop_index("ix_events_to_deliver", "events")
    op.drop_column("events", "delivered_at")
    op.create_index("ix_events_created_at", "events", ["created_at"])
    op.create_table(
        "subscribers",
        sa.Column("key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("name", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_subscribers_project_id"),
        sa.PrimaryKeyConstraint("key", name="pk_subscribers"),
        sa.UniqueConstraint("project_id", "name", name="uq_subscribers_project_id_name"),
    )
    op.create_table(
        "deliveries",
        sa.Column("subscriber_key", KEY, autoincrement=False, nullable=False),
        sa.Column("event_key", KEY, autoincrement=False, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["subscriber_key"], ["subscribers.key"], name="fk_deliveries_subscriber_key"),
        sa.ForeignKeyConstraint(["event_key"], ["events.key"], name="fk_deliveries_event_key"),
        sa.PrimaryKeyConstraint("subscriber_key", "event_key", name="pk_deliveries"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deliveries_event_key", "deliveries", ["event_key"])
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
