"""Queries on versions of evals: those that an eval follows, directly or not, and those that follow it.

Which eval follows which is a tree, since several may follow the same one. A deleted eval keeps its place in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, bindparam, literal, select

from evalhaven.domain.evals import Eval
from evalhaven.domain.ids import EvalId
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.evals import EVAL_COLUMNS, eval_of
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import eval_followers, evals

MOST_VERSIONS = 200
"""How many evals of a line are looked at, the nearest first."""

_MOST_FOLLOWERS = 20


@dataclass(frozen=True, slots=True)
class Follower:
    """An eval that follows another one directly."""

    id: EvalId
    name: str
    version: int


async def list_line(tx: ReadTransaction, scope: ProjectScope, eval_key: int) -> list[int]:
    """Return the internal numbers of an eval and of those that it follows, the nearest first, deleted or not."""
    rows = (await tx.execute(_LINE, {"eval_key": eval_key, "project_id": scope.project_id})).all()
    return list(dict.fromkeys(row.key for row in rows))


async def read_evals(tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int]) -> list[Eval]:
    """Return evals by their internal numbers, in this order; those that are deleted are left out."""
    query = select(*EVAL_COLUMNS).where(
        evals.c.key.in_(keys), evals.c.project_id == scope.project_id, evals.c.deleted_at.is_(None)
    )
    found = {row.key: eval_of(row) for row in (await tx.execute(query)).all()}
    return [found[key] for key in keys if key in found]


async def list_followers(tx: ReadTransaction, scope: ProjectScope, eval_id: EvalId) -> list[Follower]:
    """Return the newest evals that follow another one directly, the newest first."""
    query = (
        select(evals.c.public_id, evals.c.name, evals.c.version)
        .join(eval_followers, eval_followers.c.eval_key == evals.c.key)
        .where(
            eval_followers.c.follows == eval_id,
            eval_followers.c.project_id == scope.project_id,
            evals.c.deleted_at.is_(None),
        )
        .order_by(evals.c.created_at.desc(), evals.c.public_id.desc())
        .limit(_MOST_FOLLOWERS)
    )
    return [Follower(EvalId(row.public_id), row.name, row.version) for row in (await tx.execute(query)).all()]


def _line() -> Query:
    """Return the statement for a line of evals; the depth ends a circle, which imported documents may form."""
    is_first = (evals.c.key == bindparam("eval_key")) & (evals.c.project_id == bindparam("project_id"))
    line = (
        select(evals.c.key, evals.c.follows, literal(0, Integer()).label("depth"))
        .where(is_first)
        .cte("line", recursive=True)
    )
    is_followed = (evals.c.public_id == line.c.follows) & (evals.c.project_id == bindparam("project_id"))
    older = select(evals.c.key, evals.c.follows, line.c.depth + 1).where(is_followed, line.c.depth < MOST_VERSIONS - 1)
    line = line.union_all(older)
    return select(line.c.key).order_by(line.c.depth)


_LINE = _line()
