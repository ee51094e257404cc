"""Whether callers of a server that is not running will need keys."""

from sqlalchemy import URL, inspect, select

from evalhaven.storage.access.tables import api_keys
from evalhaven.storage.database import sync_engine


def has_any_key(url: URL) -> bool:
    """Tell whether any key was ever made; of an older schema's database, none was."""
    engine = sync_engine(url)
    try:
        with engine.connect() as connection:
            is_there = inspect(connection).has_table(api_keys.name)
            return is_there and connection.execute(select(api_keys.c.key).limit(1)).first() is not None
    finally:
        engine.dispose()
