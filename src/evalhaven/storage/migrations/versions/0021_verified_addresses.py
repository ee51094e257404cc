"""Whether a person's provider has verified their address; of those who have been here, their next login tells.

Revision: 0021, after 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the step."""
    op.add_column("people", sa.Column("is_email_verified", sa.Boolean(), nullable=False, server_default=sa.false()))
