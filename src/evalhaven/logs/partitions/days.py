"""Partitions: which days there are, how a day is made, and how it is dropped."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.keys import day_of_text, day_text, keys_of_day
from evalhaven.storage.reading import ReadTransaction

_MAKING_LOCK = 0x6C_6F_67_73  # "logs"; of PostgreSQL's advisory locks
_CALLS, _FILES = "logged_calls_", "logged_call_files_"
_NAMES = text(
    "SELECT relname, reltuples FROM pg_inherits JOIN pg_class ON oid = inhrelid "
    "WHERE inhparent = 'logged_calls'::regclass"
)
_SIZES = text(
    "SELECT right(relname, 8), sum(pg_total_relation_size(oid)), sum(CASE WHEN inhparent = 'logged_calls'::regclass "
    "THEN greatest(reltuples, 0) ELSE 0 END) FROM pg_inherits JOIN pg_class ON oid = inhrelid "
    "WHERE inhparent IN ('logged_calls'::regclass, 'logged_call_files'::regclass) AND relkind = 'r' GROUP BY 1"
)
_DROPPING_LOCK = 0x64_72_6F_70  # "drop"
_HAS_OTHERS = text(
    "SELECT EXISTS (SELECT 1 FROM logged_calls WHERE key BETWEEN :first AND :last AND project_id <> :project_id)"
)
_COUNT = text("SELECT count(data) FROM logged_calls WHERE key BETWEEN :first AND :last")
_OF_PROJECT = "SELECT count(data) FROM logged_calls WHERE key BETWEEN :first AND :last AND project_id = :project_id"
_COUNT_OF_PROJECT = text(_OF_PROJECT)
_FIND_OF_PROJECT = text(f"{_OF_PROJECT} AND terms @@ CAST(:terms AS tsquery)")
_PLANNED_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")
# What the planner knows of the projects of a day: those that a sample of its calls shows.
_SHARES = text(
    "SELECT right(tablename, 8), share FROM pg_stats, "
    "unnest(CAST(CAST(most_common_vals AS text) AS bigint[]), most_common_freqs) AS known (project_id, share) "
    "WHERE schemaname = (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
    "WHERE pg_class.oid = 'logged_calls'::regclass) "
    "AND tablename LIKE 'logged\\_calls\\_%' AND attname = 'project_id' AND known.project_id = :project_id"
)
_COUNTED_BYTES = 64 * 1024 * 1024


async def days(tx: ReadTransaction) -> dict[int, int]:
    """Return about how many calls each day has that has a partition, newest first."""
    found = {_day_of(name): max(0, int(calls)) for name, calls in await tx.execute(_NAMES)}
    return dict(sorted(found.items(), reverse=True))


async def sizes(tx: ReadTransaction) -> dict[int, tuple[int, int]]:
    """Return the bytes on disk of each day, and how many calls it has; of a large day an estimate."""
    volumes: dict[int, tuple[int, int]] = {}
    for suffix, size, estimate in (await tx.execute(_SIZES)).all():
        day, calls = _day_of(suffix), int(estimate)
        if size < _COUNTED_BYTES:  # nobody may have looked at so small a table yet, and counting takes milliseconds
            first, last = keys_of_day(day)
            calls = int((await tx.execute(_COUNT, {"first": first, "last": last})).scalar_one())
        volumes[day] = int(size), calls
    return volumes


async def counts(tx: ReadTransaction, scope: ProjectScope, terms: str) -> dict[int, int]:
    """Return how many calls of a project each day has.

    On a large day it is an estimate, unless the planner has not even noticed the project: then there are few of them.

    Args:
        tx: Open transaction.
        scope: The project.
        terms: What its calls match, as a tsquery.
    """
    values = {"project_id": scope.project_id}
    shares = {_day_of(suffix): float(share) for suffix, share in (await tx.execute(_SHARES, values)).all()}
    await tx.execute(_PLANNED_ANEW)
    found: dict[int, int] = {}
    for suffix, size, estimate in (await tx.execute(_SIZES)).all():
        day = _day_of(suffix)
        first, last = keys_of_day(day)
        of_day = {**values, "first": first, "last": last}
        if size < _COUNTED_BYTES:
            found[day] = int((await tx.execute(_COUNT_OF_PROJECT, of_day)).scalar_one())
        elif day in shares:
            found[day] = round(float(estimate) * shares[day])
        else:
            found[day] = int((await tx.execute(_FIND_OF_PROJECT, {**of_day, "terms": terms})).scalar_one())
    return found


async def make_day(tx: AsyncConnection, day: int) -> None:
    """Make the partitions of a day, unless somebody else has done so meanwhile.

    A table is made first and attached then: that keeps nobody from reading or writing other days.
    """
    await tx.execute(text(f"SELECT pg_advisory_xact_lock({_MAKING_LOCK})"))
    if day in await days(tx):
        return
    first, last = keys_of_day(day)
    calls, files = f"{_CALLS}{_suffix(day)}", f"{_FILES}{_suffix(day)}"
    for statement in (
        f"CREATE TABLE {calls} (LIKE logged_calls INCLUDING DEFAULTS)",
        f"CREATE UNIQUE INDEX {calls}_origin ON {calls} (origin, project_id)",
        f"ALTER TABLE logged_calls ATTACH PARTITION {calls} FOR VALUES FROM ({first}) TO ({last + 1})",
        f"CREATE TABLE {files} (LIKE logged_call_files INCLUDING DEFAULTS)",
        f"ALTER TABLE logged_call_files ATTACH PARTITION {files} FOR VALUES IN ({day})",
    ):
        await tx.execute(text(statement))


async def count_day(tx: AsyncConnection, day: int) -> None:
    """Let the planner know how large a day has become: about a new table it assumes the wrong things."""
    await tx.execute(text(f"ANALYZE {partition_of(day)} (key, project_id, kind)"))


async def drop_day(tx: AsyncConnection, day: int) -> None:
    """Drop the partitions of a day."""
    await tx.execute(text(f"DROP TABLE IF EXISTS {partition_of(day)}, {_FILES}{_suffix(day)}"))


async def has_others(tx: ReadTransaction, scope: ProjectScope, day: int) -> bool:
    """Tell whether a day has, or had, calls of other projects."""
    first, last = keys_of_day(day)
    await tx.execute(_PLANNED_ANEW)
    values = {"first": first, "last": last, "project_id": scope.project_id}
    return bool((await tx.execute(_HAS_OTHERS, values)).scalar_one())


async def drop_lone_day(tx: AsyncConnection, scope: ProjectScope, day: int) -> int:
    """Drop the partitions of a day that has calls of one project only, and return how many; 0: it has others, too.

    Nobody writes into the day meanwhile, and no other server decides the same.
    """
    await tx.execute(text(f"SELECT pg_advisory_xact_lock({_DROPPING_LOCK})"))
    if day not in await days(tx):
        return 0
    await tx.execute(text(f"LOCK TABLE {partition_of(day)} IN SHARE MODE"))
    if await has_others(tx, scope, day):
        return 0
    first, last = keys_of_day(day)
    calls = int((await tx.execute(_COUNT, {"first": first, "last": last})).scalar_one())
    await drop_day(tx, day)
    return calls


def partition_of(day: int) -> str:
    """Return the name of the table that has a day's calls."""
    return f"{_CALLS}{_suffix(day)}"


def _suffix(day: int) -> str:
    return day_text(day).replace("-", "")


def _day_of(name: str) -> int:
    digits = name[-8:]
    return day_of_text(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}")
