"""Where a report that is kept is computed; apart from the reports, which load numpy."""

from functools import partial

import anyio
from sqlalchemy import URL

from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.database import is_unavailable, open_database
from evalhaven.storage.run_columns import KeptReport


def keep_report_elsewhere(url: URL, scope: ProjectScope, run_key: int) -> KeptReport | None:
    """Compute what is to be kept of a run, in a process that has nothing open; None if the database is away.

    Args:
        url: The database.
        scope: Whose run.
        run_key: The run; all of its items are in columns.
    """
    from evalhaven.reports.kept_reports import compute_kept_report  # noqa: PLC0415 - loads numpy

    async def compute() -> KeptReport | None:
        database = open_database(url)
        try:
            return await database.fetch(partial(compute_kept_report, scope=scope, run_key=run_key))
        except Exception as error:
            if is_unavailable(error):
                return None
            raise
        finally:
            await database.close()

    return anyio.run(compute)
