"""Partitions: which days there are, how a day is made, and how it is dropped."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.logs.keys import day_of_text, day_text, keys_of_day
from evalhaven.storage.reading import ReadTransaction

_MAKING_LOCK = 0x6C_6F_67_73  # "logs"; of PostgreSQL's advisory locks
_CALLS, _FILES = "logged_calls_", "logged_call_files_"
_NAMES = text(
    "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = 'logged_calls'::regclass"
)
_SIZES = text(
    "SELECT right(relname, 8), sum(pg_total_relation_size(oid)), sum(CASE WHEN inhparent = 'logged_calls'::regclass "
    "THEN greatest(reltuples, 0) ELSE 0 END) FROM pg_inherits JOIN pg_class ON oid = inhrelid "
    "WHERE inhparent IN ('logged_calls'::regclass, 'logged_call_files'::regclass) AND relkind = 'r' GROUP BY 1"
)


async def days(tx: ReadTransaction) -> list[int]:
    """Return the days that have a partition, newest first."""
    names = (await tx.execute(_NAMES)).scalars()
    return sorted((_day_of(name) for name in names), reverse=True)


async def sizes(tx: ReadTransaction) -> dict[int, tuple[int, int]]:
    """Return the bytes on disk of each day, and about how many calls it has."""
    rows = await tx.execute(_SIZES)
    return {_day_of(suffix): (int(size), int(calls)) for suffix, size, calls in rows}


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


async def drop_day(tx: AsyncConnection, day: int) -> None:
    """Drop the partitions of a day."""
    await tx.execute(text(f"DROP TABLE IF EXISTS {partition_of(day)}, {_FILES}{_suffix(day)}"))


def partition_of(day: int) -> str:
    """Return the name of the table that has a day's calls."""
    return f"{_CALLS}{_suffix(day)}"


def _suffix(day: int) -> str:
    return day_text(day).replace("-", "")


def _day_of(name: str) -> int:
    digits = name[-8:]
    return day_of_text(f"{digits[:4]}-{digits[4:6]}-{digits[6:]}")
