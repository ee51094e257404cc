"""Runs know how long their rows are and which process evaluates them; a test write shows that the database works.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("runs", sa.Column("source_bytes", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("evaluated_by", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("deaths", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("projects", sa.Column("tried_at", sa.BigInteger(), nullable=True))
    # The length of inline rows was not recorded; that of files always was.
    op.execute(
        "UPDATE runs SET source_bytes = (SELECT size_bytes FROM files WHERE files.public_id = runs.file_id) "
        "WHERE file_id IS NOT NULL"
    )
