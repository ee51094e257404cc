"""Where an output item is, by its id alone."""

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import is_id_text, pack_output_item_id, unpack_output_item_id
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import evals, output_items, runs

# Items have no index of their own by id: each run's is asked, of which there are few beside items.
_FOUND = (
    select(
        output_items.c.public_id,
        output_items.c.position,
        output_items.c.repeat,
        output_items.c.status,
        runs.c.public_id.label("run_id"),
        runs.c.name.label("run_name"),
        evals.c.public_id.label("eval_id"),
        evals.c.name.label("eval_name"),
    )
    .select_from(runs)
    .join(evals, runs.c.eval_key == evals.c.key)
    .join(output_items, output_items.c.run_key == runs.c.key)
    .where(
        runs.c.project_id == bindparam("project_id"),
        runs.c.deleted_at.is_(None),
        evals.c.deleted_at.is_(None),
        output_items.c.public_id == bindparam("public_id"),
    )
    .order_by(runs.c.key.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An output item with its run and its eval."""

    id: str
    position: int
    repeat: int
    status: ItemStatus
    run_id: str
    run_name: str
    eval_id: str
    eval_name: str


async def find_item(tx: ReadTransaction, scope: ProjectScope, item_id: str) -> FoundItem:
    """Return where an output item is; of several with one id, as imports can have, that of the newest run.

    Raises:
        NotFoundError: No run of the project has it.
    """
    row = None
    if is_id_text(item_id):
        values = {"project_id": scope.project_id, "public_id": pack_output_item_id(item_id)}
        row = (await tx.execute(_FOUND, values)).one_or_none()
    if row is None:
        raise NotFoundError("Output item", item_id, "output_item_id")
    return FoundItem(
        id=unpack_output_item_id(row.public_id),
        position=row.position,
        repeat=row.repeat,
        status=ItemStatus(row.status),
        run_id=row.run_id,
        run_name=row.run_name,
        eval_id=row.eval_id,
        eval_name=row.eval_name,
    )
