"""Facts about pages of a run's items: before its columns are there, by rank after that, and what is kept meanwhile."""

from functools import partial

import pytest

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.output_items import Grade
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import Sample
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.statuses import ItemStatus
from evalhaven.reports import item_choice
from evalhaven.reports.columns import loading
from evalhaven.reports.item_choice import ItemChooser, RunItemFilter
from evalhaven.reports.item_pages import ItemQuestion, RowPage, read_item_page
from evalhaven.reports.item_rows import RowMaker, expected_field
from evalhaven.storage.database import Database
from evalhaven.storage.evals import get_eval
from evalhaven.storage.item_previews import ItemPreview
from evalhaven.storage.runs import get_run_by_id
from tests.unit.reports.test_columns import ERROR, add_items, end_run, item_with, keeper_of, store_ended_run
from tests.unit.storage.conftest import database, postgresql_database, sqlite_database
from tests.unit.storage.stored import FAILED, PASSED, make_eval, store_active_run, store_eval

__all__ = ["database", "postgresql_database", "sqlite_database"]

ALL = ItemQuestion(RunItemFilter())


async def page_of(
    database: Database,
    run: Run,
    chooser: ItemChooser,
    question: ItemQuestion = ALL,
    place: int | tuple[int, int] = 0,
    limit: int = 2,
) -> RowPage:
    """Return a page of the items of a run as it is now."""

    async def read(tx):  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
        now = await get_run_by_id(tx, SCOPE, run.id)
        parent = await get_eval(tx, SCOPE, run.eval_id)
        maker = RowMaker(now.criteria(parent), (), 100)
        return await read_item_page(tx, chooser, (now, parent), question, place, limit, maker)

    return await database.fetch(read)


def positions(page: RowPage) -> list[object]:
    return [row["datasource_item_id"] for row in page.rows]


@pytest.fixture
def any_run_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "SMALL_RUN_ITEMS", 0)
    monkeypatch.setattr(item_choice, "SMALL_RUN_ITEMS", 0)


@pytest.mark.usefixtures("any_run_is_large")
async def test_items_of_a_large_run_under_way_follow_each_other(database: Database) -> None:
    run = await store_active_run(database, await store_eval(database, make_eval(criteria=[CRITERION])))
    chooser = ItemChooser()
    items = [item_with(n, f'{{"n": {n}}}', grades=[PASSED if n % 2 else FAILED]) for n in (0, 1, 2, 5)]
    await add_items(database, run, *items)
    first = await page_of(database, run, chooser)
    last = await page_of(database, run, chooser, place=(1, 0))
    failed = await page_of(database, run, chooser, ItemQuestion(RunItemFilter(statuses=(ItemStatus.FAIL,))))

    assert (positions(first), first.start, first.total, first.next) == ([0, 1], None, 4, "1-0")
    assert (positions(last), last.next) == ([2, 5], None)
    assert (positions(failed), failed.total) == ([0, 2], 2)
    for question, place in (
        (ItemQuestion(RunItemFilter(passed=("right",))), 0),
        (ItemQuestion(RunItemFilter(), ("score", "asc")), 0),
        (ItemQuestion(RunItemFilter(), text="x"), 0),
        (ALL, 1),
    ):
        with pytest.raises(InvalidRequestError) as refused:
            await page_of(database, run, chooser, question, place)
        assert refused.value.code == "items_not_ready"


@pytest.mark.usefixtures("any_run_is_large")
async def test_a_page_goes_on_when_the_columns_have_been_made(database: Database) -> None:
    items = [item_with(n, f'{{"n": {n}}}', grades=[PASSED]) for n in range(5)]
    run = await store_ended_run(database, *items)
    chooser = ItemChooser()
    first = await page_of(database, run, chooser)
    await keeper_of(database).keep_once()
    second = await page_of(database, run, chooser, place=(1, 0))

    assert (first.start, first.next) == (None, "1-0")
    assert (positions(second), second.start, second.next) == ([2, 3], 2, "4")


async def test_items_are_sorted_by_latency_and_tokens_and_found_by_their_error(database: Database) -> None:
    def answered(position: int, latency_ms: int | None) -> Sample:
        return Sample(output=[{"role": "assistant", "content": f"a{position}"}], latency_ms=latency_ms)

    items = [
        item_with(0, "{}", grades=[PASSED], sample=answered(0, 300)),
        item_with(1, "{}", grades=[PASSED], sample=answered(1, 100)),
        item_with(2, "{}", grades=[], sample=Sample(error=ERROR)),
        item_with(3, "{}", grades=[PASSED, Grade(0.0, passed=False, error=ERROR)], sample=answered(3, 200)),
    ]
    run = await store_ended_run(database, *items, criteria=2)
    ask = partial(page_of, database, run, ItemChooser(), limit=9)

    assert positions(await ask(ItemQuestion(RunItemFilter(), ("latency", "asc")))) == [1, 3, 0, 2]
    assert positions(await ask(ItemQuestion(RunItemFilter(), ("latency", "desc")))) == [0, 3, 1, 2]
    assert positions(await ask(ItemQuestion(RunItemFilter(least_latency=150, most_latency=250)))) == [3]
    erred = await ask(ItemQuestion(RunItemFilter(errors=(ERROR.message,))))
    assert positions(erred) == [2, 3]
    assert [row["error"] for row in erred.rows] == [{"code": ERROR.code, "message": ERROR.message}] * 2
    assert positions(await ask(ItemQuestion(RunItemFilter(errored=("c1",))))) == [3]
    assert positions(await ask(ItemQuestion(RunItemFilter(error_codes=("other",))))) == []


async def test_a_run_that_changes_is_read_anew(database: Database) -> None:
    run = await store_active_run(database, await store_eval(database, make_eval(criteria=[CRITERION])))
    chooser = ItemChooser()
    await add_items(database, run, item_with(0, "{}", grades=[PASSED]))
    before = await page_of(database, run, chooser)
    await add_items(database, run, item_with(1, "{}", grades=[PASSED]))
    after = await page_of(database, run, chooser)
    await end_run(database, run)
    assert (before.total, after.total, (await page_of(database, run, chooser)).total) == (1, 2, 2)


async def test_little_is_kept(database: Database) -> None:
    run = await store_ended_run(database, *[item_with(n, "{}", grades=[PASSED]) for n in range(50)])
    chooser = ItemChooser(kept_bytes=1, kept_bytes_an_item=0)
    for most in range(3):
        await page_of(database, run, chooser, ItemQuestion(RunItemFilter(most_score=float(most))))
    (kept,) = chooser._kept.values()
    assert len(kept.chosen) == 1


async def test_more_is_kept_of_a_very_large_run(database: Database) -> None:
    run = await store_ended_run(database, *[item_with(n, "{}", grades=[PASSED]) for n in range(50)])
    chooser = ItemChooser(kept_bytes=1, kept_bytes_an_item=40)
    for most in range(3):
        await page_of(database, run, chooser, ItemQuestion(RunItemFilter(most_score=float(most))))
    (kept,) = chooser._kept.values()
    assert len(kept.chosen) == 3
    assert kept.arrays["repeat"].strides == (0,)  # a single 0 stands for all


CRITERION = {"id": "right-1", "name": "right", "type": "string_check"}


@pytest.mark.parametrize(
    ("criterion", "found"),
    [
        ({"input": "{{sample.output_text}}", "reference": "{{ item.a }}"}, "a"),
        ({"reference": "{{sample.output_text}}", "input": "{{item.meta.right}}"}, "meta.right"),
        ({"input": "{{ item.a }}", "reference": "{{ item.b }}"}, None),
        ({"input": "{{sample.output_text}}", "reference": "is {{ item.a }}"}, None),
        ({"input": [{"role": "user", "content": "{{ item.a }}"}]}, None),
    ],
)
def test_the_expected_field_is_the_one_that_is_compared(criterion: dict[str, object], found: str | None) -> None:
    assert expected_field(Criteria([{**CRITERION, **criterion}])) == found  # pyright: ignore[reportArgumentType]


def preview(**texts: str) -> ItemPreview:
    """Return an item as it is read."""
    known = {"item": "{}", "input": None, "sample": None, "grades": "[[1.0,true]]", **texts}
    return ItemPreview(1, 0, 0, "outputitem_1", ItemStatus.PASS, 1.0, 5, 6, **known)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (preview(item='{"expected": "e", "q": "asked"}'), {"input": "asked", "expected": "e", "output": None}),
        (preview(item='{"n": 1}'), {"input": '{"n":1}', "expected": None}),
        (preview(item='{"n": [1, 2'), {"input": '{"n": [1, 2'}),
        (
            preview(input='[{"role":"user","content":"old"},{"role":"user","content":[{"type":"text","text":"new"}]}]'),
            {"input": "new"},
        ),
        (preview(input='[{"role":"user","content":"cut \\"off'), {"input": 'cut "off'}),
        (preview(sample='{"output":[{"role":"assistant","content":"cut \\u00e4'), {"output": "cut ä"}),
        (preview(sample='{"recorded":{"output_text":"said"}}'), {"output": "said"}),
        (preview(grades="[]"), {"results": [{"passed": None, "score": None, "error": None}]}),
    ],
)
def test_previews_show_what_there_is(found: ItemPreview, shown: dict[str, object]) -> None:
    row = RowMaker(Criteria([CRITERION]), (), 100).row(found, 0)  # pyright: ignore[reportArgumentType]
    assert {name: row[name] for name in shown} == shown
