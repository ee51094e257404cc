"""Which isolation this machine offers: found only by starting a host in each tier."""

from collections.abc import Sequence
from pathlib import Path

import anyio

from evalhaven.sandbox.environment import LAYERS, Environment, Isolation, Layers, Tier
from evalhaven.sandbox.hosts import HostStarter, HostStartError
from evalhaven.sandbox.launch import find_bwrap
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.links import end_host, open_host

_IN_ORDER = (Tier.FULL, Tier.LANDLOCK, Tier.NAMESPACES)

__all__ = ["LAYERS", "Environment", "Isolation", "Tier", "choose_isolation"]


async def choose_isolation(
    wanted: Tier | None, environment: Environment, canaries: Sequence[Path], limits: Limits | None = None
) -> Isolation:
    """Return the best tier that holds here, and why the better ones do not.

    Args:
        wanted: The only tier to try; None: all but `OFF`, which is never chosen automatically.
        environment: What graders will import from.
        canaries: Files that no grader may be able to open, such as the database.
        limits: How long a host may take to start, and how often it is tried; None: the default.
    """
    rejected: dict[Tier, str] = {}
    for tier in _IN_ORDER if wanted is None else (wanted,):
        reason = await try_layers(LAYERS[tier], environment, canaries, limits or Limits())
        if reason is None:
            return Isolation(tier, rejected)
        rejected[tier] = reason
    return Isolation(None, rejected)


async def try_layers(layers: Layers, environment: Environment, canaries: Sequence[Path], limits: Limits) -> str | None:
    """Start a host behind these walls and return why that fails; None: they hold."""
    if layers.namespaces and find_bwrap() is None:
        return "bubblewrap is not installed (Debian: apt install bubblewrap)"
    starter = HostStarter(layers, limits, canaries)
    try:
        for pause_s in (*limits.pauses_s, None):
            try:
                await end_host(starter, await open_host(starter, environment, limits.start_s))
            except HostStartError as error:
                # That a host was killed says nothing about its walls.
                if pause_s is None or not error.is_passing:
                    return str(error)
                await anyio.sleep(pause_s)
            else:
                return None
    finally:
        starter.close()
    raise AssertionError("unreachable: the last attempt returns")
