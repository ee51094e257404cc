"""The intake: takes batches of documents into the database; what is already there stays unchanged."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio.to_thread
import msgspec
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.evals import Eval
from evalhaven.domain.files import StoredFile
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.importers.documents import (
    ImportRefusedError,
    eval_of,
    is_recovered,
    output_item_of,
    parse_object,
    run_of,
    shown_id,
)
from evalhaven.storage.access.limits import claim_room
from evalhaven.storage.database import Database
from evalhaven.storage.eval_writes import insert_eval
from evalhaven.storage.evals import get_eval
from evalhaven.storage.files import get_file, insert_file, update_file
from evalhaven.storage.imports import list_eval_ids_of_runs, list_imported_counts, list_taken_ids
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.output_items import list_next_repeats, list_stored_ids
from evalhaven.storage.projects import lock_project
from evalhaven.storage.run_writes import insert_run, note_items_changed
from evalhaven.storage.runs import get_run
from evalhaven.storage.tables import evals, files, runs

Refusal = tuple[str, str]
T = TypeVar("T", Eval, Run, StoredFile)
B = TypeVar("B")
_NO_RUN = 0  # a key that no run has


@dataclass(slots=True)
class Outcome:
    """What came of a batch.

    Attributes:
        created: Objects that came over.
        unchanged: Objects that were here already.
        replaced: Files that came over and took the place of one rebuilt from output items.
        refused: Id ("" if it has none) and reason of each object that cannot come over.
    """

    created: int = 0
    unchanged: int = 0
    replaced: int = 0
    refused: list[Refusal] = field(default_factory=list[Refusal])


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes in objects of one project.

    Attributes:
        origin: Where the objects come from.
        now: Unix second of the import.
        is_check: Store nothing; the outcome says what would be stored.
    """

    database: Database
    scope: ProjectScope
    origin: str
    now: int
    is_check: bool = False

    async def take_evals(self, raws: Sequence[bytes]) -> Outcome:
        """Take in evals."""
        outcome = Outcome()

        def build(_raw: bytes, document: JsonObject) -> Eval:
            return eval_of(document, self.origin)

        async def insert(tx: AsyncConnection, new: Eval) -> None:
            await insert_eval(tx, self.scope, new, self.now)

        await self._store(evals, await _built(raws, build, outcome), insert, outcome)
        return outcome

    async def take_runs(self, parent: Eval, raws: Sequence[bytes]) -> Outcome:
        """Take in finished runs of an eval that is here (or, in a check, would be)."""
        outcome = Outcome()

        def build(_raw: bytes, document: JsonObject) -> Run:
            return run_of(document, parent, self.scope, self.origin)

        async def insert(tx: AsyncConnection, new: Run) -> None:
            # If it was deleted meanwhile, the run would be invisible and never be purged.
            await get_eval(tx, self.scope, parent.id, for_share=True)
            await insert_run(tx, self.scope, new, self.now)

        found = await _built(raws, build, outcome)
        async with self.database.read() as tx:
            parents = await list_eval_ids_of_runs(tx, self.scope, [run.id for run in found])
            counts = await list_imported_counts(tx, self.scope, [run.id for run in found])
        elsewhere = {run_id: eval_id for run_id, eval_id in parents.items() if eval_id != parent.id}
        outcome.refused += [
            (run_id, f"a run of this id is here already, of eval {eval_id}") for run_id, eval_id in elsewhere.items()
        ]
        differing = {
            run.id
            for run in found
            if run.id not in elsewhere and _counts_of(run) != counts.get(run.id, _counts_of(run))
        }
        outcome.refused += [(run_id, "is here already with other counts") for run_id in sorted(differing)]
        rest = [run for run in found if run.id not in elsewhere and run.id not in differing]
        await self._store(runs, rest, insert, outcome)
        return outcome

    async def take_output_items(self, run: Run | None, raws: Sequence[bytes], criteria: Sequence[str] = ()) -> Outcome:
        """Take in output items of an imported run; in a check the run need not be here yet.

        Args:
            run: The run.
            raws: Documents of its items.
            criteria: Ids of the criteria of its eval.
        """
        outcome = Outcome()

        def build(raw: bytes, document: JsonObject) -> OutputItem:
            return output_item_of(raw, document, criteria)

        found = await _built(raws, build, outcome)
        run_key = _NO_RUN if run is None else run.key
        async with self._transaction() as tx:
            if run is not None and not self.is_check:
                await get_run(tx, self.scope, run.eval_id, run.id, for_update=True)
            stored = await list_stored_ids(tx, self.scope, run_key, [item.id for item in found])
            new = list({item.id: item for item in found if item.id not in stored}.values())
            outcome.unchanged, outcome.created = len(found) - len(new), len(new)
            if new and not self.is_check:
                await insert_output_items(tx, self.scope, run_key, await self._numbered(tx, run_key, new))
                await note_items_changed(tx, self.scope, run_key)
        return outcome

    async def take_file(self, new: StoredFile) -> Outcome:
        """Take in the record of a file whose content is in the blob store; it replaces one made from output items.

        Raises:
            LimitExceededError: The project has no room for a file that it does not have.
        """
        outcome = Outcome()
        async with self._transaction() as tx:
            if await self._is_better(tx, new):
                outcome.created = outcome.replaced = 1
                if not self.is_check:
                    await update_file(tx, self.scope, new)
                return outcome

        async def insert(tx: AsyncConnection, file: StoredFile) -> None:
            await claim_room(tx, self.scope, file.size_bytes, "file")
            await insert_file(tx, self.scope, file, self.now)

        await self._store(files, [new], insert, outcome)
        return outcome

    async def _is_better(self, tx: AsyncConnection, new: StoredFile) -> bool:
        """Tell whether the file here was rebuilt from output items, and the new one is the real file."""
        if is_recovered(new.imported):
            return False
        try:
            return is_recovered((await get_file(tx, self.scope, new.id, self.now)).imported)
        except NotFoundError:
            return False

    async def _store(
        self,
        table: Table,
        found: Sequence[T],
        insert: Callable[[AsyncConnection, T], Awaitable[None]],
        outcome: Outcome,
    ) -> None:
        async with self._transaction() as tx:
            taken = await list_taken_ids(tx, self.scope, table, [each.id for each in found])
            for new in found:
                if taken.get(new.id) is False:
                    outcome.refused.append((new.id, "an object of this id was deleted here, and stays deleted"))
                elif new.id in taken:
                    outcome.unchanged += 1
                else:
                    taken[new.id] = True
                    outcome.created += 1
                    if not self.is_check:
                        await insert(tx, new)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        """Open the transaction of a batch; batches follow one another, and a check never waits for a writer."""
        if self.is_check:
            async with self.database.read() as tx:
                yield tx
            return
        async with self.database.write() as tx:
            await lock_project(tx, self.scope)
            yield tx

    async def _numbered(self, tx: AsyncConnection, run_key: int, items: Sequence[OutputItem]) -> list[OutputItem]:
        """Return the items with their repeat: how many items of the same position in the run came before."""
        next_repeat = await list_next_repeats(tx, self.scope, run_key, [item.position for item in items])
        numbered: list[OutputItem] = []
        for item in items:
            repeat = next_repeat.get(item.position, 0)
            next_repeat[item.position] = repeat + 1
            numbered.append(msgspec.structs.replace(item, repeat=repeat))
        return numbered


def _counts_of(run: Run) -> tuple[int, int, int]:
    return run.tally.passed, run.tally.failed, run.tally.errored


async def _built(raws: Sequence[bytes], build: Callable[[bytes, JsonObject], B], outcome: Outcome) -> list[B]:
    """Return what could be built, and note the refusals; in a thread, since a batch may be large."""

    def build_all() -> list[B]:
        found: list[B] = []
        for raw in raws:
            document: JsonObject = {}
            try:
                document = parse_object(raw)
                found.append(build(raw, document))
            except ImportRefusedError as error:
                outcome.refused.append((shown_id(document), str(error)))
        return found

    return await anyio.to_thread.run_sync(build_all)
