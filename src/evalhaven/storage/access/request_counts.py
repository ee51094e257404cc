"""Requests a minute, counted by all servers of a PostgreSQL database: a token bucket a row."""

from collections.abc import Mapping

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Float,
    MetaData,
    Table,
    bindparam,
    cast,
    column,
    delete,
    exists,
    extract,
    func,
    select,
    true,
    tuple_,
    update,
)

from evalhaven.access.limits import IDLE_AFTER_S, refilled
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.reading import ReadTransaction

counts_metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})
"""What SQLite has no use for."""

request_counts = Table(
    "request_counts",
    counts_metadata,
    Column("project_id", BigInteger, primary_key=True, autoincrement=False),
    Column("api_key_key", BigInteger, primary_key=True, autoincrement=False),  # WHOLE_PROJECT: all of its keys
    Column("remaining", Float, nullable=False),
    Column("counted_at", Float, nullable=False),  # Unix seconds of the database's clock
)
WHOLE_PROJECT = 0
_TRIES = 5

_project = bindparam("project", type_=BigInteger)
_keys = bindparam("keys", type_=ARRAY(BigInteger))
_now = cast(extract("epoch", func.clock_timestamp()), Float)
_asked = (
    func.unnest(_keys, bindparam("limits", type_=ARRAY(Float)))
    .table_valued(column("api_key_key", BigInteger), column("allowed", Float), name="asked")
    .render_derived()
)
# All rows are locked in the same order by everybody, before the clock is read and anything is decided.
_held = (
    select(request_counts.c.api_key_key, request_counts.c.remaining, request_counts.c.counted_at, _asked.c.allowed)
    .join(_asked, _asked.c.api_key_key == request_counts.c.api_key_key)
    .where(request_counts.c.project_id == _project)
    .order_by(request_counts.c.api_key_key)
    .with_for_update(of=request_counts)
    .cte("held")
)
_locked = select(func.count().label("rows")).select_from(_held).subquery("locked")
_clock = select(_locked.c.rows, _now.label("now")).cte("clock")
_passed_s = _clock.c.now - _held.c.counted_at
_available = refilled(_held.c.allowed, _held.c.remaining, _passed_s, lesser=func.least, greater=func.greatest)
_filled = (
    select(_held.c.api_key_key, _clock.c.rows, _clock.c.now, _available.label("available"))
    .join_from(_held, _clock, true())
    .cte("filled")
)
_short = _filled.alias("short")
_taken = (
    update(request_counts)
    .values(remaining=_filled.c.available - 1.0, counted_at=_filled.c.now)
    .where(
        request_counts.c.project_id == _project,
        request_counts.c.api_key_key == _filled.c.api_key_key,
        _filled.c.rows == func.cardinality(_keys),
        ~exists().select_from(_short).where(_short.c.available < 1.0),
    )
    .cte("taken")
)
_TAKE = select(_filled.c.api_key_key, _filled.c.available).add_cte(_taken)


async def take_request(tx: ReadTransaction, scope: ProjectScope, limits: Mapping[int, int]) -> Mapping[int, float]:
    """Count a request where all of its limits grant it, and nowhere else.

    Args:
        tx: A connection each of whose statements commits by itself.
        scope: The project.
        limits: Requests a minute by the row of the key; `WHOLE_PROJECT` for the project itself.

    Returns:
        How many requests each could grant before this one, which was counted if all could grant one.
    """
    values = {"project": scope.project_id, "keys": [*limits], "limits": [float(each) for each in limits.values()]}
    for _ in range(_TRIES):
        rows = (await tx.execute(_TAKE, values)).all()
        if len(rows) == len(limits):
            return {row.api_key_key: row.available for row in rows}
        await _fill_missing(tx, values)
    raise RuntimeError("rows of counted requests disappear as soon as they are made")


async def delete_idle_counts(tx: ReadTransaction, _scope: OrganizationScope) -> None:
    """Remove what nobody has counted on for so long that it means no more than a missing row."""
    rows = tuple_(request_counts.c.project_id, request_counts.c.api_key_key)
    idle = (
        select(request_counts.c.project_id, request_counts.c.api_key_key)
        .where(request_counts.c.counted_at < _now - IDLE_AFTER_S)
        .with_for_update(skip_locked=True)
    )
    await tx.execute(delete(request_counts).where(rows.in_(idle)))


async def _fill_missing(tx: ReadTransaction, values: Mapping[str, object]) -> None:
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 - loads slowly, and SQLite needs none of it

    names = ["project_id", "api_key_key", "remaining", "counted_at"]
    full = select(_project, _asked.c.api_key_key, _asked.c.allowed, _now).select_from(_asked)
    await tx.execute(insert(request_counts).from_select(names, full).on_conflict_do_nothing(), values)
