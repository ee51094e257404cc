"""Facts about runs that are tried again: what is executed and replaced, and that nothing is lost or counted twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import msgspec
import pytest

from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.errors import IllegalRunTransitionError, InvalidRequestError
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.run_options import Budget, RunOptions
from evalhaven.domain.runs import RetryChoice
from evalhaven.domain.samples import ItemError
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.accepting.reruns import reopened_run, tools_of_retry
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.storage.output_items import item_values
from evalhaven.storage.regrading import replace_mended_items
from evalhaven.storage.run_writes import save_status, save_tally
from evalhaven.storage.runs import get_run_by_key
from evalhaven.storage.tables import output_items
from tests.unit.runs.conftest import database
from tests.unit.runs.executed import cancel, inline_run, lines, read_chunks, read_run, row_of
from tests.unit.runs.rerunning import (
    FlakyModel,
    assert_recounted,
    conduct,
    conduct_in_pieces,
    model,
    regrade,
    reopen,
    sampled_run,
    sampling,
)
from tests.unit.storage.stored import make_eval, make_run

__all__ = ["database", "model", "sampling"]

COUNT = 1100  # three chunks


def every(step: int) -> Callable[[str], bool]:
    def refuses(prompt: str) -> bool:
        return int(prompt) % step == 0

    return refuses


async def test_only_the_chosen_errors_are_tried_again_also_after_a_kill(
    sampling: Engine, model: FlakyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.refuses = every(10)
    run = await conduct(sampling, await sampled_run(sampling, COUNT))
    assert run.tally.errored == 110
    model.refuses = lambda _prompt: False
    model.prompts.clear()

    # Positions 5 and 1050 are chosen too, but the one has a result and the other has another repeat.
    chosen = RetryChoice(items=frozenset({(10, 0), (990, 0), (5, 0), (1050, 1)}))
    run = await reopen(sampling, run, chosen)
    with monkeypatch.context() as patch:
        run = await conduct_in_pieces(sampling, run, patch)
    assert (run.status, run.tally.errored, run.times_retried) == (RunStatus.COMPLETED, 108, 1)
    assert set(model.prompts) == {"10", "990"}

    run = await conduct(sampling, await reopen(sampling, run, RetryChoice(frozenset({"No such message."}))))
    assert run.tally.errored == 108
    item = next(each for each in await assert_recounted(sampling, run) if each.position == 20)
    assert item.sample.error is not None
    run = await conduct(
        sampling, await reopen(sampling, run, RetryChoice(frozenset({item.sample.error.message[:300]})))
    )
    assert (run.tally.errored, run.times_retried) == (0, 3)
    await assert_recounted(sampling, run)


async def test_a_later_retry_chooses_everything_again(sampling: Engine, model: FlakyModel) -> None:
    model.refuses = every(2)
    run = await conduct(sampling, await sampled_run(sampling, 6))
    model.refuses = lambda _prompt: False
    run = await conduct(sampling, await reopen(sampling, run, RetryChoice(items=frozenset({(2, 0)}))))
    assert run.tally.errored == 2
    assert (await conduct(sampling, await reopen(sampling, run))).tally.errored == 0


def test_errors_of_a_run_that_lacks_items_are_not_chosen() -> None:
    run = make_run(make_eval(), items_planned=5, status=RunStatus.FAILED)
    with pytest.raises(InvalidRequestError) as refused:
        reopened_run(run, None, RetryChoice(frozenset({"x"})))
    assert (refused.value.code, refused.value.param) == ("items_missing", "errors")


async def test_only_errored_items_are_asked_for_again_and_success_replaces_their_error(
    sampling: Engine, model: FlakyModel
) -> None:
    model.refuses = every(10)
    run = await conduct(sampling, await sampled_run(sampling, COUNT, options=RunOptions(repeats=2)))
    before = await assert_recounted(sampling, run)
    assert (run.status, run.tally.errored) == (RunStatus.COMPLETED, 220)
    assert run.tally.spending.errors == {"refused": 220}

    model.refuses = every(50)
    model.prompts.clear()
    run = await conduct(sampling, await reopen(sampling, run))

    assert set(model.prompts) == {str(n) for n in range(0, COUNT, 10)}
    after = await assert_recounted(sampling, run)
    assert (run.status, run.times_retried, run.tally.total) == (RunStatus.COMPLETED, 1, 2 * COUNT)
    assert [item.position for item in after if item.error_code] == [n for n in range(0, COUNT, 50) for _ in range(2)]
    # A client that pages through the items sees each of them where it was.
    assert [(item.id, item.created_at) for item in after] == [(item.id, item.created_at) for item in before]
    unchanged = [pair for pair in zip(before, after, strict=True) if pair[0].position % 10 or not pair[0].position % 50]
    assert all(older == newer for older, newer in unchanged)

    model.refuses = lambda _prompt: False
    run = await conduct(sampling, await reopen(sampling, run))
    whole = await assert_recounted(sampling, run)
    assert (run.tally.errored, run.tally.spending.errors, run.times_retried) == (0, {}, 2)
    assert run.tally.spending.tokens == 10 * len(whole) == 10 * 2 * COUNT
    assert run.error is None


async def test_a_run_that_an_outage_ended_is_made_whole(sampling: Engine, model: FlakyModel) -> None:
    model.refuses = lambda _prompt: True
    run = await conduct(sampling, await sampled_run(sampling, COUNT))
    assert run.status is RunStatus.FAILED
    assert 0 < run.tally.errored == run.tally.total < COUNT

    model.refuses = lambda _prompt: False
    run = await conduct(sampling, await reopen(sampling, run))

    items = await assert_recounted(sampling, run)
    assert (run.status, run.error, run.tally.errored) == (RunStatus.COMPLETED, None, 0)
    assert [item.position for item in items] == list(range(COUNT))


async def test_a_canceled_run_goes_on(sampling: Engine, model: FlakyModel) -> None:
    run = await sampled_run(sampling, COUNT)
    model.gate, model.free_calls = anyio.Event(), 300
    conductor = RunConductor(sampling, run.scope, run.key)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(conductor.conduct_run)
        await model.is_waiting.wait()
        while (await read_run(sampling, run)).tally.total < 100:  # noqa: ASYNC110 - storage tells nobody
            await anyio.sleep(0.01)
        await cancel(sampling, run)
        conductor.request_stop()
    assert 100 <= (await read_run(sampling, run)).tally.total < COUNT
    model.gate.set()

    run = await conduct(sampling, await reopen(sampling, run))
    assert (run.status, run.tally.total) == (RunStatus.COMPLETED, COUNT)
    await assert_recounted(sampling, run)


async def test_a_retry_cut_short_anywhere_and_taken_up_again_loses_and_doubles_nothing(
    sampling: Engine, model: FlakyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.refuses = every(3)
    run = await conduct(sampling, await sampled_run(sampling, COUNT))
    model.refuses = every(30)
    await reopen(sampling, run)
    run = await conduct_in_pieces(sampling, run, monkeypatch)

    assert (run.status, run.tally.total, run.tally.errored) == (RunStatus.COMPLETED, COUNT, len(range(0, COUNT, 30)))
    await assert_recounted(sampling, run)
    assert await read_chunks(sampling, run) == []


async def test_who_conducted_a_run_before_it_was_queued_again_neither_stores_nor_ends_anything(
    sampling: Engine, model: FlakyModel
) -> None:
    run = await sampled_run(sampling, COUNT)
    model.gate = anyio.Event()
    earlier = RunConductor(sampling, run.scope, run.key)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(earlier.conduct_run)
        await model.is_waiting.wait()
        await cancel(sampling, run)
        await reopen(sampling, run)
        model.gate.set()

    after = await read_run(sampling, run)
    assert (after.status, after.tally.total, after.times_retried) == (RunStatus.QUEUED, 0, 1)
    assert earlier.times_retried == 0
    assert (await conduct(sampling, run)).status is RunStatus.COMPLETED


async def test_a_run_over_rows_that_are_gone_is_mended_from_its_own_items(sampling: Engine, model: FlakyModel) -> None:
    model.refuses = every(2)
    run = await conduct(sampling, await sampled_run(sampling, 20))
    sampling.blobs.delete(run.scope, run.id)
    model.refuses = lambda _prompt: False

    run = await conduct(sampling, await reopen(sampling, run))
    assert (run.status, run.tally.errored) == (RunStatus.COMPLETED, 0)
    await assert_recounted(sampling, run)


def graded(items: list[OutputItem], position: int) -> OutputItem:
    return next(item for item in items if item.position == position)


async def test_of_an_item_with_a_sample_only_the_grades_that_erred_are_made_again(
    sampling: Engine, model: FlakyModel
) -> None:
    run = await conduct(sampling, await sampled_run(sampling, 5))
    items = await assert_recounted(sampling, run)
    erring = msgspec.structs.replace(
        items[2],
        grades=[
            items[2].grades[0],
            msgspec.structs.replace(items[2].grades[1], error=ItemError("judge", "x", "judge")),
        ],
    )
    other = msgspec.structs.replace(items[2].grades[0], score=0.25)
    async with sampling.database.write() as tx:
        stored = msgspec.structs.replace(erring, grades=[other, erring.grades[1]])
        values = item_values(run.scope, run.key, stored)
        of_item = (output_items.c.run_key == run.key) & (output_items.c.position == 2)
        await tx.execute(output_items.update().where(of_item).values(values))
        await save_tally(tx, run.scope, run.key, run.tally.without([items[2]], 2).fold([stored], 2))
    model.prompts.clear()

    run = await conduct(sampling, await reopen(sampling, run))

    mended = graded(await assert_recounted(sampling, run), 2)
    assert model.prompts == {}
    assert mended.grades == [other, items[2].grades[1]]
    assert mended.sample == items[2].sample


async def test_a_batch_that_is_written_twice_mends_once(sampling: Engine, model: FlakyModel) -> None:
    model.refuses = lambda prompt: prompt == "3"
    run = await conduct(sampling, await sampled_run(sampling, 5))
    items = await assert_recounted(sampling, run)
    mended = [msgspec.structs.replace(item, sample=items[0].sample, grades=items[0].grades) for item in items]
    async with sampling.database.write() as tx:
        first = await replace_mended_items(tx, run.scope, run.key, [*mended, mended[3]])
        second = await replace_mended_items(tx, run.scope, run.key, mended)

    assert [(older.position, newer.position) for older, newer in first] == [(3, 3)]
    assert first[0][0] == items[3]
    assert second == []


async def test_what_never_succeeds_keeps_its_first_error(sampling: Engine, model: FlakyModel) -> None:
    model.refuses = lambda _prompt: True
    run = await conduct(sampling, await sampled_run(sampling, 3, 7))
    before = await assert_recounted(sampling, run)
    run = await conduct(sampling, await reopen(sampling, run))
    assert await assert_recounted(sampling, run, (0, 0, 3)) == before


async def test_a_run_graded_again_is_tried_again_with_the_samples_that_it_has(
    sampling: Engine, model: FlakyModel
) -> None:
    source = await conduct(sampling, await sampled_run(sampling, COUNT))
    run = await regrade(sampling, source)
    await conduct(sampling, run)
    async with sampling.database.write() as tx:
        current = await get_run_by_key(tx, run.scope, run.key, for_update=True)
        await save_status(tx, run.scope, replace(current, status=RunStatus.CANCELED), 5)
    model.prompts.clear()

    run = await conduct(sampling, await reopen(sampling, run))
    assert (run.status, run.tally.total, run.times_retried) == (RunStatus.COMPLETED, COUNT, 1)
    assert model.prompts == {}


async def test_a_run_without_anything_to_do_or_not_ours_to_do_is_not_queued_again(engine: Engine) -> None:
    run = await inline_run(engine, lines([row_of(0)]))
    assert reopened_run(run, None) is run
    with pytest.raises(IllegalRunTransitionError):
        run.reopened()
    done = replace(run, status=RunStatus.COMPLETED)
    assert reopened_run(done, None) is done
    with pytest.raises(InvalidRequestError, match=f"/api/runs/{run.id}/regrade"):
        reopened_run(replace(done, imported=ImportedDocument("elsewhere", {})), None)


async def test_a_spent_budget_has_to_be_raised_first(sampling: Engine, model: FlakyModel) -> None:
    run = await conduct(sampling, await sampled_run(sampling, 50, options=RunOptions(budget=Budget(tokens=100))))
    assert run.error is not None
    assert (run.status, run.error.code) == (RunStatus.FAILED, "budget_exceeded")
    with pytest.raises(InvalidRequestError, match="larger"):
        reopened_run(run, None)

    assert reopened_run(run, Budget(tokens=10_000)).options.budget == Budget(tokens=10_000)


def test_secrets_are_asked_for_again() -> None:
    masked_tool: dict[str, JsonValue] = {"type": "mcp", "server_url": "u", "authorization": "***"}
    source: Any = {
        "type": "completions",
        "model": "m",
        "input_messages": {"type": "item_reference", "item_reference": "item.messages"},
        "source": {"type": "file_content", "content": []},
        "sampling_params": {"tools": [masked_tool]},
    }
    run = make_run(make_eval(), data_source=source)
    wrong: list[list[JsonValue] | None] = [
        None,
        [masked_tool],
        [{**masked_tool, "server_url": "other", "authorization": "s"}],
        [],
    ]
    for tools in wrong:
        with pytest.raises(InvalidRequestError, match="tools") as refused:
            tools_of_retry(run, tools)
        assert refused.value.param == "tools"

    assert tools_of_retry(run, [{**masked_tool, "authorization": "s"}]) == [{**masked_tool, "authorization": "s"}]
    assert tools_of_retry(replace(run, data_source=DataSource({**source, "sampling_params": None})), None) is None
