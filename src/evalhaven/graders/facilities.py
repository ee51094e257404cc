"""What graders work with beyond the item: made by `app`, shared by all runs."""

from dataclasses import dataclass, field
from pathlib import Path

import anyio

from evalhaven.graders.asking import OpenJudge
from evalhaven.graders.python.execution import PythonExecution
from evalhaven.graders.workers import WorkerPool
from evalhaven.sampling.embeddings.embedder import Embedder


@dataclass(frozen=True, slots=True)
class Facilities:
    """The parts that graders are built with.

    Attributes:
        workers: Where long computations go.
        embedder: The endpoint of the metric `cosine`; None where none is configured.
        wordnet: The directory or archive of WordNet; None where it was not found.
        open_judge: Finds a model for a grader that asks one; None where no models can be asked.
        python: Where the code of `python` graders is executed; None where it is not.
        large_texts: Held by the one grading of large texts that may be under way: memory is bounded by it.
    """

    workers: WorkerPool = field(default_factory=WorkerPool)
    embedder: Embedder | None = None
    wordnet: Path | None = None
    open_judge: OpenJudge | None = None
    python: PythonExecution | None = None
    large_texts: anyio.Lock = field(default_factory=anyio.Lock)
