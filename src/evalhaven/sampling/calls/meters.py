"""What a board shows of the calls to one model."""

from typing import Literal

from evalhaven.meters.board import Board
from evalhaven.meters.declared import CALL_SECONDS, CALLS
from evalhaven.sampling.calls.failures import FailureKind
from evalhaven.sampling.catalog import Target

Via = Literal["run", "gateway"]


class CallMeters:
    """Counts attempts to call a model."""

    __slots__ = ("_board", "_labels")

    def __init__(self, board: Board, via: Via, target: Target) -> None:
        """Count nothing yet.

        Args:
            board: Shows the counts.
            via: On whose behalf the model is called.
            target: The model.
        """
        self._board = board
        self._labels = (via, target.endpoint.name, board.model_label(target.model))

    def note_answer(self, took_s: float) -> None:
        """Count an attempt that was answered."""
        self._board.add(CALLS, *self._labels, "ok")
        self._board.observe(CALL_SECONDS, took_s, *self._labels)

    def note_failure(self, kind: FailureKind | Literal["hung_up"]) -> None:
        """Count an attempt that was not."""
        self._board.add(CALLS, *self._labels, "refused" if kind == "final" else kind)
