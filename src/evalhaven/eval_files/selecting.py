"""Which rows of a file's data a call takes."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from heapq import nsmallest
from itertools import islice

from evalhaven.domain.jsontext import JsonObject, canonical_hash
from evalhaven.eval_files.format import EvalFile
from evalhaven.eval_files.rows import read_rows


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of rows; without any part, all.

    Attributes:
        limit: The first so many.
        sample: So many, chosen by chance.
        seed: What chance goes by: the same one chooses the same rows.
        failing: A run; only its items that failed or erred.
        of_items: Hashes of these items.
    """

    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    failing: str | None = None
    of_items: Collection[bytes] = field(default=frozenset[bytes](), compare=False)

    @property
    def text(self) -> str | None:
        """Return the choice as metadata has it; None if it is all rows."""
        parts = [f"failing={self.failing}"] if self.failing else []
        parts += [] if self.sample is None else [f"sample={self.sample}", f"seed={self.seed}"]
        parts += [] if self.limit is None else [f"limit={self.limit}"]
        return " ".join(parts) or None

    @property
    def is_whole(self) -> bool:
        """Tell whether all rows are taken."""
        return self.text is None


def selection_of(text: str | None) -> Selection:
    """Return the choice that metadata has, without the items of a run."""
    parts = dict(part.split("=", 1) for part in (text or "").split(" ") if "=" in part)
    limit, sample = parts.get("limit"), parts.get("sample")
    return Selection(
        None if limit is None else int(limit),
        None if sample is None else int(sample),
        int(parts.get("seed", 0)),
        parts.get("failing"),
    )


def selected_rows(file: EvalFile, selection: Selection) -> Iterator[JsonObject]:
    """Yield the rows that a choice takes, in the order of the data.

    Raises:
        EvalFileError: The data cannot be read.
    """
    chosen: set[int] | None = None
    if selection.sample is not None:
        numbered = ((_lot(row, selection.seed, number), number) for number, row in _candidates(file, selection))
        chosen = {number for _, number in nsmallest(selection.sample, numbered)}
    rows = (row for number, row in _candidates(file, selection) if chosen is None or number in chosen)
    return islice(rows, selection.limit)


def _candidates(file: EvalFile, selection: Selection) -> Iterator[tuple[int, JsonObject]]:
    for number, row in enumerate(read_rows(file)):
        if selection.failing is None or canonical_hash(row["item"]) in selection.of_items:
            yield number, row


def _lot(row: JsonObject, seed: int, number: int) -> bytes:
    """Return the lot that a row draws: it depends on the item, so that a sample stays when other rows come or go."""
    return sha256(f"{seed}:".encode() + canonical_hash(row["item"]) + number.to_bytes(8)).digest()
