"""A migrated PostgreSQL database for each test: elsewhere runs are not shared."""

from tests.unit.storage.stored import postgresql_database

__all__ = ["postgresql_database"]
