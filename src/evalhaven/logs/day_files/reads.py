"""Calls of one day file, read by their rows."""

from collections.abc import Sequence
from functools import partial

import structlog
import zstandard

from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.day_files.queries import attached_data
from evalhaven.logs.day_files.tables import OpenFile
from evalhaven.logs.packing import unpack

_AT_ONCE = 500


def calls_at(opened: OpenFile, scope: ProjectScope, rows: Sequence[int]) -> dict[int, LoggedCall]:
    """Return the calls of a project that are at these rows; deleted and damaged ones are missing."""
    found: dict[int, LoggedCall] = {}
    file_of = partial(attached_data, opened.connection)
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        query = (
            f"SELECT row, dictionary, data FROM calls WHERE row IN ({', '.join('?' * len(part))}) "  # noqa: S608
            "AND project_id = ? AND data IS NOT NULL"
        )
        for row, dictionary, data in opened.connection.execute(query, (*part, scope.project_id)):
            try:
                packed = opened.codec.decompress(dictionary, data)
            except zstandard.ZstdError as error:
                structlog.get_logger("evalhaven").error("logged_call_damaged", row=row, problem=str(error))
                continue
            found[row] = unpack(scope, packed, file_of)
    return found
