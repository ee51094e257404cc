"""Queries on the secrets of runs, which are already encrypted and kept until the run ends."""

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.reading import ReadTransaction, WriteTransaction
from evalhaven.storage.tables import run_secrets

_FORGET = delete(run_secrets).where(
    run_secrets.c.run_key == bindparam("run_key"), run_secrets.c.project_id == bindparam("project_id")
)


async def insert_secrets(tx: AsyncConnection, scope: ProjectScope, run_key: int, sealed: bytes) -> None:
    """Keep the secrets of a new run."""
    await tx.execute(insert(run_secrets).values(run_key=run_key, project_id=scope.project_id, sealed=sealed))


async def find_secrets(tx: ReadTransaction, scope: ProjectScope, run_key: int) -> bytes | None:
    """Return the secrets of a run that has not ended, if it has any."""
    query = select(run_secrets.c.sealed).where(
        run_secrets.c.run_key == run_key, run_secrets.c.project_id == scope.project_id
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def forget_secrets(tx: WriteTransaction, scope: ProjectScope, run_key: int) -> None:
    """Erase the secrets of a run."""
    await tx.execute(_FORGET, {"run_key": run_key, "project_id": scope.project_id})
