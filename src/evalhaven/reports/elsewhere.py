"""Reading the database in a process that has nothing open."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio
from sqlalchemy import URL

from evalhaven.storage.database import is_unavailable, open_database
from evalhaven.storage.reading import ReadTransaction

T = TypeVar("T")


def read_elsewhere(url: URL, work: Callable[[ReadTransaction], Coroutine[Any, Any, T]]) -> T | None:
    """Return what a piece of work reads; None also if the database cannot be used now.

    Args:
        url: The database.
        work: It must await nothing but its transaction.
    """

    async def read() -> T | None:
        database = open_database(url)
        try:
            return await database.fetch(work)
        except Exception as error:
            if is_unavailable(error):
                return None
            raise
        finally:
            await database.close()

    return anyio.run(read)
