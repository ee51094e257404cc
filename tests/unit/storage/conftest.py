"""A migrated database for each test of storage."""

from tests.unit.storage.stored import database, database_url, migrated_file

__all__ = ["database", "database_url", "migrated_file"]
