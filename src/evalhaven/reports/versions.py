"""Versions of an eval: which evals it follows, and what each of them changed."""

from evalhaven.domain.eval_changes import changes_between
from evalhaven.domain.evals import Eval
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.eval_overviews import count_runs
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.versions import list_followers, list_line, read_evals
from evalhaven.wire.overviews import EvalFollower, EvalVersion, EvalVersionList

_AT_ONCE = 8  # criteria may hold megabytes


async def read_versions(tx: ReadTransaction, scope: ProjectScope, newest: Eval) -> EvalVersionList:
    """Return an eval with those that it follows."""
    line = await list_line(tx, scope, newest.key)
    counts = await count_runs(tx, scope, line)
    shown: list[EvalVersion] = []
    later: Eval | None = None
    for start in range(0, len(line), _AT_ONCE):
        for each in await read_evals(tx, scope, line[start : start + _AT_ONCE]):
            if later is not None:
                shown.append(_shown(later, each, counts))
            later = each
    if later is not None:
        shown.append(_shown(later, None, counts))
    followers = await list_followers(tx, scope, newest.id)
    return EvalVersionList(
        object="list",
        data=shown,
        followers=[EvalFollower(id=each.id, name=each.name, version=each.version) for each in followers],
    )


def _shown(shown: Eval, earlier: Eval | None, counts: dict[int, int]) -> EvalVersion:
    is_known = earlier is not None and earlier.id == shown.follows
    return EvalVersion(
        id=shown.id,
        name=shown.name,
        version=shown.version,
        follows=shown.follows,
        created_at=shown.created_at,
        runs=counts.get(shown.key, 0),
        changes=changes_between(earlier, shown) if is_known and earlier is not None else None,
    )
