"""The queue by which several workers share runs, in PostgreSQL; on SQLite one executor needs none.

Revision: 0011, after 0010
"""

from alembic import op

from evalhaven.storage.queue.migrating import migrate_queue

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    if op.get_context().dialect.name == "postgresql":
        migrate_queue(op.get_bind())
