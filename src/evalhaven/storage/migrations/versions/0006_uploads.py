"""Uploads: files that are sent in parts.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "uploads",
        sa.Column("key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("public_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("purged_at", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_expires_after", sa.BigInteger(), nullable=True),
        sa.Column("file_id", ID, nullable=True),
        sa.Column("request_hash", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_uploads_project_id"),
        sa.PrimaryKeyConstraint("key", name="pk_uploads"),
        sa.UniqueConstraint("project_id", "public_id", name="uq_uploads_project_id_public_id"),
    )
    _index_where("ix_uploads_expiring", "expires_at", "ended_at IS NULL")
    _index_where("ix_uploads_to_purge", "key", "ended_at IS NOT NULL AND purged_at IS NULL")
    _index_where("ix_uploads_to_forget", "purged_at", "purged_at IS NOT NULL")
    op.create_table(
        "upload_parts",
        sa.Column("key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("upload_key", KEY, nullable=False),
        sa.Column("public_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["upload_key"], ["uploads.key"], name="fk_upload_parts_upload_key"),
        sa.PrimaryKeyConstraint("key", name="pk_upload_parts"),
        sa.UniqueConstraint("project_id", "public_id", name="uq_upload_parts_project_id_public_id"),
    )
    op.create_index("ix_upload_parts_upload_key", "upload_parts", ["upload_key"])


def _index_where(name: str, column: str, condition: str) -> None:
    op.create_index(name, "uploads", [column], sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
