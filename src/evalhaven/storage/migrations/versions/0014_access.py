"""Keys, service accounts, people, members, sessions, and what they changed; when a project was archived.

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply the step."""
    _make_people()
    _make_keys()
    _make_sessions()
    _make_audit()
    # Last, since nobody can use the table until the step is committed.
    op.add_column("projects", sa.Column("archived_at", sa.BigInteger(), nullable=True))


def _make_people() -> None:
    op.create_table(
        "service_accounts",
        sa.Column("key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=False),
        sa.Column("public_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_service_accounts_project_id"),
        sa.PrimaryKeyConstraint("key", name="pk_service_accounts"),
        sa.UniqueConstraint("public_id", name="uq_service_accounts_public_id"),
    )
    op.create_index("ix_service_accounts_project_id", "service_accounts", ["project_id"])
    op.create_table(
        "people",
        sa.Column("key", KEY, nullable=False),
        sa.Column("public_id", ID, nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("is_organization_admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_people"),
        sa.UniqueConstraint("public_id", name="uq_people_public_id"),
        sa.UniqueConstraint("issuer", "subject", name="uq_people_issuer_subject"),
    )
    op.create_table(
        "members",
        sa.Column("project_id", KEY, autoincrement=False, nullable=False),
        sa.Column("person_key", KEY, autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_members_project_id"),
        sa.ForeignKeyConstraint(["person_key"], ["people.key"], name="fk_members_person_key"),
        sa.PrimaryKeyConstraint("project_id", "person_key", name="pk_members"),
    )
    op.create_index("ix_members_person_key", "members", ["person_key"])


def _make_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=True),
        sa.Column("public_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("redacted", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("service_account_key", KEY, nullable=True),
        sa.Column("person_key", KEY, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_api_keys_project_id"),
        sa.ForeignKeyConstraint(
            ["service_account_key"], ["service_accounts.key"], name="fk_api_keys_service_account_key"
        ),
        sa.ForeignKeyConstraint(["person_key"], ["people.key"], name="fk_api_keys_person_key"),
        sa.PrimaryKeyConstraint("key", name="pk_api_keys"),
        sa.UniqueConstraint("public_id", name="uq_api_keys_public_id"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_index("ix_api_keys_project_id_key", "api_keys", ["project_id", "key"])
    op.create_index("ix_api_keys_service_account_key", "api_keys", ["service_account_key"])


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("project_id", KEY, nullable=True),
        sa.Column("api_key_key", KEY, nullable=True),
        sa.Column("person_key", KEY, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_sessions_project_id"),
        sa.ForeignKeyConstraint(["api_key_key"], ["api_keys.key"], name="fk_sessions_api_key_key"),
        sa.ForeignKeyConstraint(["person_key"], ["people.key"], name="fk_sessions_person_key"),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_api_key_key", "sessions", ["api_key_key"])
    op.create_index("ix_sessions_person_key", "sessions", ["person_key"])


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("key", KEY, nullable=False),
        sa.Column("project_id", KEY, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("caller_kind", sa.Text(), nullable=False),
        sa.Column("caller_id", ID, nullable=False),
        sa.Column("caller_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target_kind", sa.Text(), nullable=False),
        sa.Column("target_id", ID, nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_audit_project_id"),
        sa.PrimaryKeyConstraint("key", name="pk_audit"),
    )
    op.create_index("ix_audit_project_id_key", "audit", ["project_id", "key"])
