"""Outages of endpoints."""

from dataclasses import dataclass

from evalhaven.domain.samples import ItemError


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage as processes tell each other of it.

    Attributes:
        lasts_s: For how many seconds it has lasted.
        error: Why the last call failed.
        is_unreached: Whether there was no connection at all.
    """

    lasts_s: float
    error: ItemError
    is_unreached: bool
