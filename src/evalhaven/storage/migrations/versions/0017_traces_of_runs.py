"""Traces of runs: the request that made each.

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("runs", sa.Column("traceparent", sa.Text(), nullable=True))
