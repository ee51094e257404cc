"""The file that holds a run's rows: it is read only if it is as long as it was when it was accepted."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import cast

from evalhaven.domain.errors import DamagedFileError
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.samples import ItemError
from evalhaven.runs.engine import Engine
from evalhaven.runs.rows.parsing import Line, RowError, lines_of
from evalhaven.storage.blobs import BlobReader, length_of

DAMAGED = "stored_file_damaged"


def source_blob(run: Run) -> str:
    """Return the name of the blob that holds a run's rows."""
    return run.id if run.file_id is None else run.file_id


@contextmanager
def open_source(engine: Engine, run: Run) -> Generator[BlobReader]:
    """Open the file of a run's rows.

    Raises:
        DamagedFileError: The file's length has changed since it was accepted, or it ends early while it is read.
        FileNotFoundError: The file is gone, and its length was not recorded.
    """
    with engine.blobs.open_whole(run.scope, source_blob(run), run.source_bytes) as blob:
        try:
            yield blob
        except EOFError as error:
            raise _cut_short(blob, run, 0) from error


def lines_of_chunk(blob: BlobReader, run: Run, chunk: Chunk) -> Iterator[Line]:
    """Yield the lines of a chunk, as many as were planned.

    Raises:
        DamagedFileError: The file ends before the last of the lines.
        RowError: There are fewer or more lines than were planned.
    """
    count = 0
    try:
        for line in lines_of(blob, chunk.byte_start, chunk.byte_end):
            count += 1
            if count > chunk.row_count:
                break
            yield line
    except EOFError as error:
        raise _cut_short(blob, run, chunk.byte_end) from error
    if count != chunk.row_count:
        raise RowError(f"the {chunk.row_count} rows from position {chunk.first_position} on are not those planned.")


def damage_of(error: BaseException, run: Run) -> ItemError | None:
    """Return the error that ends a run whose stored rows or files are damaged; None if the cause is different.

    Args:
        error: What ended the evaluation, possibly a group of errors.
        run: The run; it is planned, so its rows were checked.
    """
    if isinstance(error, DamagedFileError):
        return ItemError(DAMAGED, error.message, "data_source")
    if isinstance(error, RowError):
        what = f"The stored rows in {source_blob(run)!r} are not what they were when the run was planned: {error}"
        return ItemError(DAMAGED, f"{what} Restore them from a backup.", "data_source")
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return next((found for each in group.exceptions if (found := damage_of(each, run)) is not None), None)
    return None


def _cut_short(blob: BlobReader, run: Run, needed_bytes: int) -> DamagedFileError:
    accepted_bytes = needed_bytes if run.source_bytes is None else run.source_bytes
    return DamagedFileError(source_blob(run), length_of(blob), accepted_bytes)
