"""Facts about stored files that are shorter or longer than they were: the run fails, and the rest is not used."""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from evalhaven.domain.evals import Eval
from evalhaven.domain.ids import FileId
from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.executing.pool import ItemPool
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.sampling.transport.client import HttpReply
from evalhaven.storage.run_writes import save_reopened, save_status
from tests.unit.runs.answering import Answering, calling, completion
from tests.unit.runs.executed import inline_run, lines, read_items, read_run, row_of, stored_eval
from tests.unit.storage.stored import blob_path, make_file, make_run, store_file, store_run

ROWS = lines([row_of(number) for number in range(1200)])
FIRST_ROWS = b"".join(ROWS.splitlines(keepends=True)[:700])


class Model(Answering):
    """Answers every call."""

    def __init__(self) -> None:
        self.calls = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        self.calls += 1
        return completion("m-1", "1")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def sampling(engine: Engine, model: Model) -> AsyncGenerator[Engine]:
    async with calling(engine, model) as calls:
        yield calls


async def run_over(engine: Engine, kind: str) -> Run:
    """Store a queued run over inline rows, or over an uploaded file."""
    if kind == "inline rows":
        return await inline_run(engine, ROWS, status=RunStatus.QUEUED, source_bytes=len(ROWS))
    file = await store_file(engine.database, make_file(size_bytes=len(ROWS)))
    blob_path(engine.blobs, file.id).write_bytes(ROWS)
    parent = await stored_eval(engine)
    source = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    more: dict[str, Any] = {"file_id": file.id, "has_inline_rows": False, "source_bytes": len(ROWS)}
    return await store_run(engine.database, make_run(parent, data_source=source, **more))


def blob_of(engine: Engine, run: Run) -> Path:
    return blob_path(engine.blobs, run.file_id or run.id)


async def conduct(engine: Engine, run: Run) -> Run:
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


def assert_told(run: Run, name: str, found: str, accepted: int = len(ROWS)) -> None:
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "stored_file_damaged"
    for part in (name, found, f"{accepted} bytes"):
        assert part in run.error.message


@pytest.mark.parametrize("kind", ["inline rows", "a file"])
@pytest.mark.parametrize(
    ("left", "found"),
    [
        (FIRST_ROWS, f"has {len(FIRST_ROWS)} bytes"),
        (ROWS[:-40], f"has {len(ROWS) - 40} bytes"),
        (b"", "has 0 bytes"),
        (ROWS + ROWS, f"has {2 * len(ROWS)} bytes"),
        (None, "is gone"),
    ],
)
async def test_a_run_over_a_damaged_file_fails_before_anything_is_graded(
    engine: Engine, kind: str, left: bytes | None, found: str
) -> None:
    run = await run_over(engine, kind)
    blob_of(engine, run).unlink() if left is None else blob_of(engine, run).write_bytes(left)
    failed = await conduct(engine, run)

    assert_told(failed, run.file_id or run.id, found)
    assert (failed.items_planned, failed.tally.total) == (None, 0)
    assert await read_items(engine, run) == []


@pytest.mark.parametrize("kind", ["inline rows", "a file"])
@pytest.mark.parametrize(
    ("left", "found"),
    [(FIRST_ROWS, f"has {len(FIRST_ROWS)} bytes"), (ROWS + b"\n", "bytes"), (None, "is gone")],
)
async def test_a_file_damaged_between_plan_and_chunks_fails_the_run(
    engine: Engine, kind: str, left: bytes | None, found: str
) -> None:
    run = await run_over(engine, kind)
    async with engine.database.write() as tx:
        await save_status(tx, run.scope, run.to(RunStatus.IN_PROGRESS, 1000), 1000)
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    blob_of(engine, run).unlink() if left is None else blob_of(engine, run).write_bytes(left)
    failed = await conduct(engine, run)

    assert_told(failed, run.file_id or run.id, found)
    assert (failed.items_planned, failed.tally.total) == (1200, 0)


async def test_a_file_cut_while_its_run_is_under_way_fails_it_with_the_items_that_are_stored(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await run_over(engine, "inline rows")
    blob = blob_of(engine, run)
    take = ItemPool._take_row
    taken = 0

    def cut_and_take(pool: ItemPool) -> Any:
        nonlocal taken
        taken += 1
        if taken == 600:
            # In the second chunk, which is open already; a reader's buffer holds a few kB more.
            with blob.open("r+b") as file:
                file.truncate(len(FIRST_ROWS))
        return take(pool)

    monkeypatch.setattr(ItemPool, "_take_row", cut_and_take)
    failed = await conduct(engine, run)

    assert_told(failed, run.id, f"has {len(FIRST_ROWS)} bytes")
    items = await read_items(engine, run)
    assert failed.tally.total == len(items) < 1200


async def test_a_run_of_the_release_before_is_not_executed_over_what_is_left_of_its_rows(engine: Engine) -> None:
    # The length of its rows was not recorded, but its plan knows where they ended.
    run = await inline_run(engine, ROWS)
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    blob_of(engine, run).write_bytes(ROWS[:-40])
    failed = await conduct(engine, run)

    assert_told(failed, run.id, f"has {len(ROWS) - 40} bytes")


async def test_rows_that_changed_at_the_same_length_fail_the_run(engine: Engine) -> None:
    run = await run_over(engine, "inline rows")
    run_in_progress = run.to(RunStatus.IN_PROGRESS, 1000)
    async with engine.database.write() as tx:
        await save_status(tx, run.scope, run_in_progress, 1000)
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    blob_of(engine, run).write_bytes(ROWS.replace(b"\n", b" ", 3))
    failed = await conduct(engine, run)

    assert (failed.status, failed.error and failed.error.code) == (RunStatus.FAILED, "stored_file_damaged")


async def test_a_run_goes_on_once_its_file_is_restored(engine: Engine) -> None:
    run = await run_over(engine, "a file")
    blob_of(engine, run).write_bytes(FIRST_ROWS)
    failed = await conduct(engine, run)
    for content, expected in ((FIRST_ROWS, RunStatus.FAILED), (ROWS, RunStatus.COMPLETED)):
        blob_of(engine, run).write_bytes(content)
        async with engine.database.write() as tx:
            await save_reopened(tx, run.scope, failed.reopened(), 1000)
        failed = await conduct(engine, run)
        assert failed.status is expected
    assert failed.tally.total == 1200


async def _attaching(engine: Engine, parent: Eval, file_id: FileId) -> Run:
    part = {"type": "input_image", "file_id": file_id}
    messages = [{"role": "user", "content": [{"type": "input_text", "text": "What?"}, part]}]
    source = {
        "type": "responses",
        "model": "m-1",
        "source": {"type": "file_content", "content": []},
        "input_messages": {"type": "template", "template": messages},
    }
    return await inline_run(engine, lines([row_of(0)]), parent=parent, data_source=source, model="m-1")


@pytest.mark.parametrize(("left", "found"), [(b"GIF89a", "has 6 bytes"), (None, "is gone")])
async def test_no_model_is_asked_about_what_is_left_of_an_attached_file(
    sampling: Engine, model: Model, left: bytes | None, found: str
) -> None:
    file = await store_file(sampling.database, make_file(size_bytes=4000, filename="a.gif"))
    if left is not None:
        blob_path(sampling.blobs, file.id).write_bytes(left)
    with anyio.fail_after(30):
        failed = await conduct(sampling, await _attaching(sampling, await stored_eval(sampling), file.id))

    assert_told(failed, file.id, found, 4000)
    assert model.calls == 0
    assert await read_items(sampling, failed) == []
