"""A migrated database for each test of storage."""

from tests.unit.storage.stored import database, postgresql_database, sqlite_database

__all__ = ["database", "postgresql_database", "sqlite_database"]
