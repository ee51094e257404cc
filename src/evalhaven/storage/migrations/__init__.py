"""Alembic migrations; each is a step that a database of an earlier release takes."""
