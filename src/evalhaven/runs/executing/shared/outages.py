"""Outages of endpoints as workers tell each other of them: who knows of one says so, and one call at a time tries."""

from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.outages import Outage
from evalhaven.domain.scopes import EngineScope
from evalhaven.sampling.calls.outage import FIRST_PROBE_S, LONGEST_PROBE_S, Reachability
from evalhaven.storage.queue.outages import StoredOutage, begin_outage, end_outage, hold_outage, list_outages

_SCOPE = EngineScope()
Effects = list[Callable[[], None]]


async def exchange_outages(tx: AsyncConnection, reachabilities: Mapping[str, Reachability]) -> Effects:
    """Tell the others how this worker's calls to endpoints go; return what to do here once that is committed.

    Whose call is answered during an outage ends it for all. A worker that has just heard of an endpoint adopts no
    outage of it: others may have lost their own way there.
    """
    stored = await list_outages(tx, _SCOPE, sorted(reachabilities)) if reachabilities else {}
    effects: Effects = []
    for endpoint, reachability in sorted(reachabilities.items()):
        known = stored.get(endpoint)
        if reachability.has_ended_known:
            if known is not None:
                await end_outage(tx, _SCOPE, endpoint)
            known = None
            effects.append(reachability.note_ended)
        told = reachability.told
        if told is not None:
            effects += await _tell(tx, endpoint, reachability, told, known)
        elif known is not None and known.is_held:
            effects.append(partial(reachability.adopt, known.outage))
    return effects


async def _tell(
    tx: AsyncConnection, endpoint: str, reachability: Reachability, told: Outage, known: StoredOutage | None
) -> Effects:
    """Say that an outage goes on, unless another worker has had an answer."""
    if known is None and reachability.is_known:
        return [reachability.end]
    if known is None or not (known.is_held or reachability.is_known):
        await begin_outage(tx, _SCOPE, endpoint, told, FIRST_PROBE_S)
        return [reachability.note_known]
    # Somebody tries only on behalf of calls that wait.
    tries = known.is_probe_due and reachability.waiting > 0
    next_probe_s = min(2 * known.probe_every_s, LONGEST_PROBE_S) if tries else None
    await hold_outage(tx, _SCOPE, endpoint, told, next_probe_s)
    return [reachability.note_known, *([reachability.grant_probe] if tries else [])]
