"""Alembic migrations; each is one step that upgrades a database of an earlier release."""
