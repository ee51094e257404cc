"""Facts about runs that grade another run's samples: which items they have, what they cost, and what they wait for."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.run_options import RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample
from evalhaven.domain.statuses import ItemStatus, RunStatus
from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.sources.source import CHUNK_ROWS
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.run_writes import delete_run
from tests.unit.runs.conftest import database
from tests.unit.runs.executed import inline_run, lines, read_chunks, read_items, read_run, row_of
from tests.unit.runs.rerunning import (
    FlakyModel,
    assert_recounted,
    conduct,
    conduct_in_pieces,
    model,
    regrade,
    sampled_run,
    sampling,
)
from tests.unit.storage.stored import make_item

__all__ = ["database", "model", "sampling"]

COUNT = 1100
SAYS_1: dict[str, Any] = {
    "type": "string_check",
    "name": "one",
    "id": "one-1",
    "input": "{{ sample.output_text }}{{ sample.choices[0].message.content }}",
    "reference": "11",
    "operation": "eq",
}


def kept(item: OutputItem) -> tuple[Any, ...]:
    """Return what an item keeps when it is graded again."""
    sample = item.sample
    return (
        *(
            item.position,
            item.repeat,
            item.item_text,
            item.item_hash,
            sample.input,
            sample.output,
            sample.finish_reason,
        ),
        *(sample.model, sample.usage, sample.error, sample.latency_ms, sample.recorded_text),
    )


async def test_the_samples_of_a_run_are_graded_again_without_a_call(sampling: Engine, model: FlakyModel) -> None:
    model.refuses = lambda prompt: int(prompt) % 100 == 1
    source = await conduct(sampling, await sampled_run(sampling, COUNT, options=RunOptions(repeats=2)))
    model.prompts.clear()
    run = await conduct(sampling, await regrade(sampling, source, [SAYS_1]))

    before = await assert_recounted(sampling, source)
    after = await assert_recounted(sampling, run, (2 * (COUNT - 11), 0, 22))
    assert [kept(item) for item in after] == [kept(item) for item in before]
    assert {item.id for item in after}.isdisjoint(item.id for item in before)
    assert all(item.sample.is_reused for item in after)
    assert model.prompts == {}
    assert run.tally.spending.usage == ()
    assert run.tally.spending.errors == {"refused": 22}
    assert (run.status, run.items_planned, run.options.repeats) == (RunStatus.COMPLETED, 2 * COUNT, 2)
    assert await read_run(sampling, source) == source


async def test_a_run_graded_by_the_same_criteria_has_the_same_grades(engine: Engine) -> None:
    content = lines([{**row_of(n), "sample": {"output_text": "x", "n": 10**20}} for n in range(COUNT)])
    source = await conduct(engine, await inline_run(engine, content))
    run = await conduct(engine, await regrade(engine, source))

    before, after = await assert_recounted(engine, source), await assert_recounted(engine, run)
    assert [(*kept(item), item.grades) for item in after] == [(*kept(item), item.grades) for item in before]
    assert run.tally == source.tally
    third = await conduct(engine, await regrade(engine, run, number=901))
    assert [kept(item) for item in await assert_recounted(engine, third)] == [kept(item) for item in before]


async def finished_run(engine: Engine, items: list[OutputItem]) -> Run:
    """Store a finished run with these output items."""
    run = await inline_run(engine, b"", status=RunStatus.COMPLETED)
    if items:
        async with engine.database.write() as tx:
            await insert_output_items(tx, run.scope, run.key, items)
    return await read_run(engine, run)


def said(text: str) -> Sample:
    return Sample(output=[{"role": "assistant", "content": text}], model="m", finish_reason="stop")


async def test_positions_with_gaps_and_many_repeats_are_graded_in_their_order(engine: Engine) -> None:
    places = [(7, repeat) for repeat in range(CHUNK_ROWS + 300)] + [(2**60, 0), (2**62, 1)]
    items = [make_item(position, sample=said("1"), repeat=repeat) for position, repeat in places]
    run = await conduct(engine, await regrade(engine, await finished_run(engine, items), [SAYS_1]))

    after = await assert_recounted(engine, run, (len(places), 0, 0))
    assert [(item.position, item.repeat) for item in after] == places


async def test_an_item_that_erred_elsewhere_stays_errored_and_one_without_a_sample_has_none(engine: Engine) -> None:
    silent = Sample(output=[{"role": "assistant", "content": ""}])
    text = '{"object":"eval.run.output_item"}'
    items = [
        make_item(0, sample=said("1"), imported_text=text, imported_status=ItemStatus.ERROR),
        make_item(1, sample=silent, imported_text=text, imported_status=ItemStatus.ERROR),
        make_item(2, sample=silent, imported_text=text, imported_status=ItemStatus.FAIL),
        make_item(3, sample=msgspec.structs.replace(silent, error=ItemError("timeout", "x")), imported_text=text),
        make_item(4, sample=NO_SAMPLE),
    ]
    run = await conduct(engine, await regrade(engine, await finished_run(engine, items), [SAYS_1]))

    after = await assert_recounted(engine, run, (1, 2, 2))
    assert [item.error_code for item in after] == [None, "imported_error", None, "timeout", None]
    assert [any(grade.unresolved for grade in item.grades) for item in after] == [False, False, True, False, True]
    assert all(item.imported_text is None for item in after)


async def test_a_deleted_run_is_purged_only_when_nobody_grades_its_samples_any_more(engine: Engine) -> None:
    source = await conduct(engine, await inline_run(engine, lines([row_of(n) for n in range(20)])))
    run = await regrade(engine, source)
    purger = Purger(engine.database, engine.blobs, engine.clock, engine.patience)
    async with engine.database.write() as tx:
        await delete_run(tx, source.scope, source.key, 2000)
    await purger.purge_once()

    run = await conduct(engine, run)
    assert (run.status, run.tally.total) == (RunStatus.COMPLETED, 20)
    await purger.purge_once()
    with pytest.raises(Exception, match="not found"):
        await read_run(engine, source)
    assert await read_items(engine, source) == []
    await assert_recounted(engine, run)


async def test_a_regrading_cut_short_anywhere_and_taken_up_again_loses_and_doubles_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await conduct(engine, await inline_run(engine, lines([row_of(n) for n in range(COUNT)])))
    run = await regrade(engine, source)
    run = await conduct_in_pieces(engine, run, monkeypatch)

    assert (run.status, run.tally) == (RunStatus.COMPLETED, source.tally)
    await assert_recounted(engine, run)
    assert await read_chunks(engine, run) == []


async def test_a_run_without_output_items_fails_and_one_under_way_is_not_graded_again(engine: Engine) -> None:
    run = await conduct(engine, await regrade(engine, await finished_run(engine, [])))
    assert run.error is not None
    assert (run.status, run.error.code) == (RunStatus.FAILED, "invalid_data_source")
    with pytest.raises(InvalidRequestError, match="is queued"):
        await regrade(engine, replace(run, status=RunStatus.QUEUED), number=5)
