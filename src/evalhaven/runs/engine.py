"""The parts shared by everything that executes runs."""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.graders.facilities import Facilities
from evalhaven.logs.store import LogStore
from evalhaven.meters.board import Board
from evalhaven.runs.answer_forms import AnswerForms
from evalhaven.runs.months import Months
from evalhaven.runs.patience import Patience
from evalhaven.runs.telling import Teller
from evalhaven.runs.vault import Vault
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.catalog import Catalog
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database

if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing


@dataclass(frozen=True, slots=True)
class Engine:
    """The parts that every run is executed with.

    Attributes:
        chunk_slots: Limits the chunks under way at once, over all runs that call no model; first come, first served.
        large_chunk: Held by the one chunk with rows of megabytes that may be under way; this bounds memory.
        catalog: Which endpoint serves which model.
        caller: Calls endpoints.
        vault: Decrypts the secrets of runs' tools.
        log_store: The logged calls that runs grade or replay.
        facilities: What graders work with.
        answer_forms: The forms of answer that endpoints turned out not to support.
        months: What projects may spend in this month.
        process: A name for this process that no earlier process had.
        board: Shows what became of items.
        teller: Tells of runs that have ended.
        tracing: Traces items and their calls; None if traces are off.
    """

    database: Database
    blobs: BlobStore
    ids: IdFactory
    clock: Clock
    patience: Patience
    chunk_slots: anyio.CapacityLimiter
    large_chunk: anyio.Lock
    catalog: Catalog
    caller: ModelCaller
    vault: Vault
    log_store: LogStore
    facilities: Facilities = field(default_factory=Facilities)
    answer_forms: AnswerForms = field(default_factory=AnswerForms)
    months: Months = field(default_factory=Months)
    process: str = field(default_factory=lambda: secrets.token_hex(8))
    board: Board = field(default_factory=Board)
    teller: Teller = field(default_factory=Teller)
    tracing: "Tracing | None" = None


class RunStoppedError(Exception):
    """The run was canceled, deleted or failed; nothing more of it may be stored."""


class UnsupportedRunError(Exception):
    """This release cannot execute the run; the message says what is missing."""
