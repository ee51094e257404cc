"""Which source a run has, and which rows of a chunk are still to be evaluated."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain

from evalhaven.domain.documents import Unparsed
from evalhaven.domain.runs import Chunk, Run
from evalhaven.runs.engine import Engine, UnsupportedRunError
from evalhaven.runs.sources.file_rows import FileRows
from evalhaven.runs.sources.logged_calls import LoggedCalls
from evalhaven.runs.sources.source import Key, PendingRow, PendingRows, RowSource
from evalhaven.runs.sources.stored_rows import OutputItemsOfRun, StoredRows
from evalhaven.storage.output_items import list_stored_positions
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.regrading import list_errored_positions
from evalhaven.wire.data_sources import EvalResponsesSource, EvalStoredCompletionsSource


def source_of(engine: Engine, run: Run) -> RowSource:
    """Return the source of a run's rows.

    Raises:
        UnsupportedRunError: The run's data source does not parse, or its rows are not there.
    """
    if run.regrading is not None:
        return OutputItemsOfRun(engine, run, run.regrading)
    if run.has_inline_rows or run.file_id is not None:
        return FileRows(engine, run)
    data_source = run.data_source.parsed
    if isinstance(data_source, Unparsed):
        raise UnsupportedRunError(f"This release of Evalhaven cannot read the run's data source: {data_source.problem}")
    source = data_source.source
    if isinstance(source, EvalStoredCompletionsSource | EvalResponsesSource):
        return LoggedCalls(engine, run, source)
    raise UnsupportedRunError("The rows of the run, which were inline, were not imported with it.")


@asynccontextmanager
async def open_missing_rows(engine: Engine, run: Run, source: RowSource, chunk: Chunk) -> AsyncGenerator[PendingRows]:
    """Open the rows of a chunk that have no output item yet and, if the run is retried, those with an errored one.

    Args:
        engine: What runs are executed with.
        run: The run.
        source: Where its rows come from.
        chunk: One of its chunks.
    """
    place = (run.scope, run.key, chunk.first_position, chunk.position_count)

    async def list_stored(tx: ReadTransaction) -> tuple[set[Key], list[Key]]:
        stored = await list_stored_positions(tx, *place)
        errored = await list_errored_positions(tx, *place, run.retry_choice) if run.times_retried else []
        return stored, errored

    stored, errored = await engine.patience.persist(partial(engine.database.fetch, list_stored))
    again: Iterator[PendingRow] = iter(StoredRows(engine, run, run.key, errored, chunk)) if errored else iter(())
    if run.retry_choice is not None or len(stored) == chunk.row_count * run.repeats:
        # The source may be gone by now, but it is not needed.
        yield again
        return
    async with source.open_rows(chunk, stored) as missing:
        yield chain(again, missing) if errored else missing
