"""Where a report that is kept is computed; apart from the reports, which load numpy."""

from functools import partial

from sqlalchemy import URL

from evalhaven.domain.scopes import ProjectScope
from evalhaven.reports.elsewhere import read_elsewhere
from evalhaven.storage.run_columns import KeptReport


def keep_report_elsewhere(url: URL, scope: ProjectScope, run_key: int) -> KeptReport | None:
    """Compute what is to be kept of a run, in a process that has nothing open; None if the database is away.

    Args:
        url: The database.
        scope: Whose run.
        run_key: The run; all of its items are in columns.
    """
    from evalhaven.reports.kept_reports import compute_kept_report  # noqa: PLC0415 - loads numpy

    return read_elsewhere(url, partial(compute_kept_report, scope=scope, run_key=run_key))
