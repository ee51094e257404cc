"""What graders work with beyond the item: made by `app`, shared by all runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import anyio

from evalhaven.domain.samples import ItemError
from evalhaven.graders.asking import OpenJudge
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.graders.python.execution import PythonExecution
from evalhaven.sampling.embeddings.embedder import Embedder


class EmbeddingWatch(Protocol):
    """Learns what embeddings cost a run, and how they fail."""

    def note_answer(self, cost: float | None, tokens: int) -> None:
        """Count what was answered."""
        ...

    def note_failure(self, error: ItemError, *, is_fatal: bool) -> None:
        """Count what failed for good."""
        ...


@dataclass(frozen=True, slots=True)
class Facilities:
    """The parts that graders are built with.

    Attributes:
        calculators: Where long computations go.
        embedder: The endpoint of the metric `cosine`; None if none is configured.
        watch: Told of embeddings; None if no run asks for them.
        wordnet: The directory or archive of WordNet; None if it was not found.
        open_judge: Finds a model for a grader that asks one; None if no models can be asked.
        python: Where the code of `python` graders is executed; None if it is not.
        large_texts: Held while large texts are graded, one grade at a time, which bounds memory.
    """

    calculators: CalculatorPool = field(default_factory=CalculatorPool)
    embedder: Embedder | None = None
    watch: EmbeddingWatch | None = field(default=None, kw_only=True)
    wordnet: Path | None = None
    open_judge: OpenJudge | None = None
    python: PythonExecution | None = None
    large_texts: anyio.Lock = field(default_factory=anyio.Lock)
