"""What the servers of a database tell each other: who they are, and what became of the calls that each was to store."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.storage.queue.tables import servers
from evalhaven.storage.reading import ReadTransaction

HEARD_WITHIN_S = 10.0
"""A server that was not heard for so long is away."""

_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a server tells of itself.

    Attributes:
        seat: That of its data directory, so that a server that starts again follows itself.
        host: The machine's name.
        process: The process's number on it.
        release: Of Evalhaven.
        is_up: Whether it serves requests; False once it has ended in good order.
        recorder: State of the process that stores calls; None if there is none.
        problem: What keeps calls from being stored; "" if nothing does.
        pending: Calls that wait to be stored.
        in_question: Calls that were under way when an earlier server ended, and are not looked for yet.
        overflow: Calls lost because the queue was full.
        killed: Those lost with a server.
        unreadable: Those that were no calls.
        failed: Those that the store refused.
    """

    seat: str
    host: str
    process: int
    release: str
    is_up: bool
    recorder: str | None
    problem: str
    pending: int
    in_question: int
    overflow: int
    killed: int
    unreadable: int
    failed: int


async def tell_of_server(tx: AsyncConnection, report: ServerReport) -> None:
    """Store what a server tells of itself, instead of what it told before."""
    values = asdict(report)
    new = insert_or_update(servers).values(**values, heard_at=func.now())
    changed = {name: new.excluded[name] for name in values} | {"heard_at": func.now()}
    await tx.execute(new.on_conflict_do_update(index_elements=[servers.c.seat], set_=changed))


async def forget_servers(tx: AsyncConnection) -> None:
    """Delete those that were heard for the last time weeks ago; what they lost counts no longer."""
    old = servers.c.heard_at < func.now() - func.make_interval(0, 0, 0, _KEPT_DAYS)
    await tx.execute(delete(servers).where(old))


async def list_other_servers(tx: ReadTransaction, own_seat: str) -> Sequence[tuple[ServerReport, bool]]:
    """Return what the others told last, and whether each of them is still there."""
    columns = [servers.c[name] for name in ServerReport.__dataclass_fields__]
    query = select(*columns, _is_heard().label("is_heard")).where(servers.c.seat != own_seat).order_by(servers.c.seat)
    rows = (await tx.execute(query)).all()
    return [(ServerReport(*row[:-1]), row.is_heard) for row in rows]


async def are_others_recording(tx: ReadTransaction, own_seat: str) -> bool:
    """Tell whether other servers may be about to store calls."""
    others = exists().where(servers.c.seat != own_seat, servers.c.recorder.is_not(None), _is_heard())
    return (await tx.execute(select(others))).scalar_one()


def _is_heard() -> ColumnElement[bool]:
    return servers.c.is_up & (servers.c.heard_at >= func.now() - func.make_interval(0, 0, 0, 0, 0, 0, HEARD_WITHIN_S))
