"""What `evalhaven doctor` says about workers and about runs that wait for them."""

import anyio
import httpx2
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from evalhaven.app.client import open_client
from evalhaven.app.worker_watch import look_at_workers
from evalhaven.settings import Settings
from evalhaven.wire.workers import WorkerOverviewList

_TIMEOUT_S = 10.0
_NOT_THERE = 404


def served_worker_notes(settings: Settings, problems: list[str]) -> list[str]:
    """Return what a running server says of workers.

    Args:
        settings: They name the server.
        problems: Where problems are added.
    """
    try:
        found = anyio.run(_ask, settings)
    except httpx2.HTTPStatusError as error:
        problems.append(f"The server does not tell of workers: it answers with status {error.response.status_code}.")
        return []
    except (httpx2.HTTPError, ValidationError) as error:
        problems.append(f"The server does not tell of workers: {type(error).__name__}.")
        return []
    if found is None:
        return ["Workers: the server is of a release that does not tell of them."]
    return _notes(found, problems)


def stored_worker_notes(settings: Settings, problems: list[str]) -> list[str]:
    """Return what a PostgreSQL database of this release says of workers."""
    try:
        found = anyio.run(look_at_workers, settings)
    except DBAPIError as error:
        problems.append(f"The database does not tell of workers: {str(error.orig).strip()}")
        return []
    return _notes(found, problems)


def _notes(found: WorkerOverviewList, problems: list[str]) -> list[str]:
    problems.extend(each.text for each in found.findings if each.is_problem)
    return [each.text for each in found.findings if not each.is_problem]


async def _ask(settings: Settings) -> WorkerOverviewList | None:
    async with open_client(settings) as client:
        answer = await client.get("/api/workers", timeout=_TIMEOUT_S)
    if answer.status_code == _NOT_THERE:
        return None
    answer.raise_for_status()
    return WorkerOverviewList.model_validate_json(answer.content)
