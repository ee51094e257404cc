"""Versions of evals: which eval another one follows.

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "eval_followers",
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("follows", ID, nullable=False),
        sa.Column("eval_key", KEY, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_eval_followers_project_id"),
        sa.ForeignKeyConstraint(["eval_key"], ["evals.key"], name="fk_eval_followers_eval_key"),
        sa.PrimaryKeyConstraint("project_id", "follows", "eval_key", name="pk_eval_followers"),
    )
    op.add_column("evals", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("evals", sa.Column("follows", ID, nullable=True))
