"""Webhooks: subscribers that are told over HTTP, and what became of each attempt.

Revision: 0015, after 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the step."""
    op.add_column("subscribers", sa.Column("event_types", sa.Text(), nullable=True))
    op.add_column("deliveries", sa.Column("tried_since", sa.BigInteger(), nullable=True))
    op.create_table(
        "webhooks",
        sa.Column("subscriber_key", KEY, autoincrement=False, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("public_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("secret_hint", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until", sa.BigInteger(), nullable=True),
        sa.Column("off_since", sa.BigInteger(), nullable=True),
        sa.Column("off_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("last_delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["subscriber_key"], ["subscribers.key"], name="fk_webhooks_subscriber_key"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_webhooks_project_id"),
        sa.PrimaryKeyConstraint("subscriber_key", name="pk_webhooks"),
        sa.UniqueConstraint("project_id", "public_id", name="uq_webhooks_project_id_public_id"),
    )
    op.create_index(
        "ix_webhooks_project_id_created_at_public_id", "webhooks", ["project_id", "created_at", "public_id"]
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("subscriber_key", KEY, autoincrement=False, nullable=False),
        sa.Column("event_key", KEY, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subscriber_key", "event_key", "number", name="pk_delivery_attempts"),
        sqlite_with_rowid=False,
    )
    is_due = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_deliveries_due_by_subscriber",
        "deliveries",
        ["subscriber_key", "due_at"],
        sqlite_where=is_due,
        postgresql_where=is_due,
    )
