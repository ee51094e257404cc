"""What an executor and its sampling processes tell each other.

Both are the same release, and the process at the other end is the executor's own child, so messages are pickled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evalhaven.access.limits import MonthCost
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Chunk
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.runs.evaluating.guard import Happened
from evalhaven.runs.executing.finished import FinishedItems
from evalhaven.runs.executing.writing import Stored


class PartKey(NamedTuple):
    """Names what one sampling process has of a run, from its first chunk there until it says that it has ended.

    Attributes:
        run_key: The run.
        number: No other part of any run has the same.
    """

    run_key: int
    number: int


@dataclass(frozen=True, slots=True)
class PartOpened:
    """To a sampling process: chunks of this run follow."""

    key: PartKey
    scope: ProjectScope


@dataclass(frozen=True, slots=True)
class ChunkGiven:
    """To a sampling process: evaluate this chunk, unless the part has ended meanwhile."""

    key: PartKey
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class NoMoreChunks:
    """To a sampling process: this run will give it no more."""

    key: PartKey


@dataclass(frozen=True, slots=True)
class RunStopped:
    """To a sampling process: drop what is under way of this run."""

    key: PartKey


@dataclass(frozen=True, slots=True)
class ItemsStored:
    """To a sampling process: what became of the items that it sent last.

    Attributes:
        stored: What they add up to; None: nothing was stored, since the run was stopped.
        needs_items: Some are stored already: the items themselves are needed, and nothing was stored.
    """

    key: PartKey
    stored: Stored | None
    needs_items: bool = False


@dataclass(frozen=True, slots=True)
class FlowKnown:
    """To a sampling process: how a run's calls go at all of them."""

    key: PartKey
    flow: JsonObject


@dataclass(frozen=True, slots=True)
class SlotsLent:
    """To a sampling process: what is its own from now on.

    Attributes:
        slots: How many slots of each limit.
        known: What happened to the calls of each run at all processes.
        months: What projects with a limit of a month have spent at all processes.
    """

    slots: Mapping[str, int]
    known: Mapping[PartKey, Happened]
    months: Mapping[ProjectScope, MonthCost]


@dataclass(frozen=True, slots=True)
class Ready:
    """From a sampling process: it can be given chunks."""


@dataclass(frozen=True, slots=True)
class RoomLeft:
    """From a sampling process: it could begin one more chunk of this run."""

    key: PartKey


@dataclass(frozen=True, slots=True)
class ItemsFinished:
    """From a sampling process: store these items, and mark these chunks as done."""

    key: PartKey
    finished: FinishedItems
    finished_chunks: Sequence[int]


@dataclass(frozen=True, slots=True)
class FlowTold:
    """From a sampling process: how a run's calls go there."""

    key: PartKey
    flow: JsonObject


@dataclass(frozen=True, slots=True)
class PartEnded:
    """From a sampling process: nothing more comes of this run.

    Attributes:
        failure: What ends the run for all; None: the chunks that it has not finished can be given to others.
    """

    key: PartKey
    failure: ItemError | None


@dataclass(frozen=True, slots=True)
class SlotsAsked:
    """From a sampling process: how it uses its limits.

    Attributes:
        limits: By their names.
        happened: What happened to the calls of each run since it asked last.
    """

    limits: Mapping[str, "LimitUse"]
    happened: Mapping[PartKey, Happened]


@dataclass(frozen=True, slots=True)
class MetersChanged:
    """From a sampling process: what has changed on its board."""

    changes: bytes


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How one process uses a limit.

    Attributes:
        most: How many slots there are for all processes.
        wanted: How many this one would use.
        in_use: How many it uses.
    """

    most: int
    wanted: int
    in_use: int


ToPart = ChunkGiven | NoMoreChunks | RunStopped | ItemsStored | FlowKnown
ToSampler = PartOpened | ToPart | SlotsLent
OfPart = RoomLeft | ItemsFinished | FlowTold | PartEnded
FromSampler = Ready | OfPart | SlotsAsked | MetersChanged
