"""A migrated database for each test of webhooks."""

from tests.unit.storage.stored import database

__all__ = ["database"]
