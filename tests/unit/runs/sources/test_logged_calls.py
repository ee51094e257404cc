"""Runs over logged calls: which calls they read, in which order, what their rows hold, and what a lost call becomes."""

import errno
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog.testing

from evalhaven.domain.evals import Eval, answered_config
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.run_options import RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.statuses import RunStatus
from evalhaven.logs.day_files.directory import LogsBusyError
from evalhaven.logs.store import LogStore
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.runs.sources import logged_calls, logged_rows
from evalhaven.sampling.transport.client import HttpReply
from tests.unit.logs.made_calls import CREATED_AT, chat_call, response_call
from tests.unit.runs.answering import Answering, calling, completion
from tests.unit.runs.executed import read_chunks, read_items, read_run
from tests.unit.storage.stored import OTHER_PROJECT, blob_path, make_eval, make_run, store_eval, store_run
from tests.unit.written import config_of

SAYS_YES: dict[str, Any] = {
    "type": "string_check",
    "name": "yes",
    "id": "yes-1",
    "input": "{{ sample.output_text }}",
    "reference": "Yes.",
    "operation": "eq",
}
CHAT: dict[str, Any] = {"type": "stored_completions"}
RESPONSES: dict[str, Any] = {"type": "responses"}
PNG = "data:image/png;base64,iVBORw0KGgo="


class Echo(Answering):
    """Answers that it was asked, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        self.asked.append(json.loads(body))
        if url.endswith("/responses"):
            return HttpReply(200, {}, response_call(1, "Yes.").reply.encode())
        return completion("m-1", "Yes.")


@pytest.fixture
def model() -> Echo:
    return Echo()


@pytest.fixture
async def sampling(engine: Engine, model: Echo) -> AsyncGenerator[Engine]:
    async with calling(engine, model) as calls:
        yield calls


async def logs_eval(engine: Engine, config: dict[str, Any] | None = None, number: int = 1) -> Eval:
    """Store an eval over logged calls."""
    answered = answered_config(config_of(config or {"type": "logs"}))
    return await store_eval(engine.database, make_eval(number, [SAYS_YES], data_source_config=answered))


async def run_over(
    engine: Engine, source: dict[str, Any], parent: Eval | None = None, number: int = 1, **more: Any
) -> Run:
    """Store a run over logged calls; with `asks` it samples anew."""
    parent = parent or await logs_eval(engine)
    kind = "responses" if source["type"] == "responses" else "completions"
    asks = more.pop("asks", None)
    data_source = {"type": kind, "source": source, **({} if asks is None else {"model": "m", "input_messages": asks})}
    fields: dict[str, Any] = {
        "has_inline_rows": False,
        "model": "" if asks is None else "m",
        "status": RunStatus.QUEUED,
        **more,
    }
    return await store_run(engine.database, make_run(parent, number, data_source=data_source, **fields))


async def conduct(engine: Engine, run: Run) -> Run:
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


async def ids_of(engine: Engine, source: dict[str, Any], parent: Eval | None = None) -> list[str]:
    """Return the ids of the calls that a run reads, in the order of its rows; none if it has none."""
    run = await conduct(engine, await run_over(engine, source, parent))
    if run.error is not None:
        assert (run.status, run.error.code) == (RunStatus.FAILED, "invalid_data_source")
    return [call_id(item) for item in await read_items(engine, run)]


def call_id(item: OutputItem) -> str:
    return json.loads(item.item_text)["id"]


async def test_stored_answers_are_graded(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(1, "Yes."), chat_call(2, "No.", metadata={"k": "v"})])
    run = await conduct(engine, await run_over(engine, CHAT))
    newest, oldest = await read_items(engine, run)

    assert (run.status, run.tally.passed, run.tally.failed) == (RunStatus.COMPLETED, 1, 1)
    assert json.loads(newest.item_text) == {
        "input": [{"role": "user", "content": "Question 2?"}],
        "metadata": {"k": "v"},
        "id": "chatcmpl-2",
    }
    assert newest.sample.output == [{"role": "assistant", "content": "No."}]
    assert newest.sample.input == [{"role": "user", "content": "Question 2?"}]
    assert (newest.sample.model, newest.sample.finish_reason) == ("gpt-4.1-2025-04-14", "stop")
    assert newest.sample.usage.total_tokens == 7
    assert oldest.grades[0].passed
    assert run.tally.spending.tokens == 0, "what others paid for is no cost of the run"


async def test_stored_responses_are_graded(engine: Engine, logs: LogStore) -> None:
    await logs.add([response_call(1, request={"instructions": "Be brief."}), response_call(2, "No.")])
    run = await conduct(engine, await run_over(engine, RESPONSES))
    newest, oldest = await read_items(engine, run)

    assert (run.tally.passed, run.tally.failed) == (1, 1)
    assert json.loads(oldest.item_text)["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Question 1?"},
    ]
    assert newest.sample.output == [{"role": "assistant", "content": "No."}]


@pytest.mark.parametrize("when", ["pinning", "reading"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOSPC, "No space left"),
        LogsBusyError(Path("logs"), 30.0),
    ],
)
async def test_a_run_waits_for_a_store_that_cannot_be_used_now(
    engine: Engine, logs: LogStore, when: str, error: OSError
) -> None:
    await logs.add([chat_call(1, "Yes."), chat_call(2, "No.")])
    run = await run_over(engine, CHAT)

    class Failing:
        """Fails once, at the second page of keys or at the first calls."""

        def __init__(self) -> None:
            self.errors = [error]

        async def pin(self, *asked: Any, limit: int | None) -> AsyncGenerator[Any]:
            async for keys in logs.pin(*asked, limit=limit):
                yield keys
                if when == "pinning" and self.errors:
                    raise self.errors.pop()

        async def read(self, *asked: Any) -> Any:
            if when == "reading" and self.errors:
                raise self.errors.pop()
            return await logs.read(*asked)

    failing = Failing()
    with structlog.testing.capture_logs() as lines:
        ended = await conduct(replace(engine, log_store=cast("LogStore", failing)), run)

    assert failing.errors == []
    assert (ended.status, ended.tally.passed, ended.tally.failed) == (RunStatus.COMPLETED, 1, 1)
    assert len(await read_items(engine, run)) == 2
    assert [line["reason"] for line in lines if line["event"] == "database_unavailable"] == [str(error)]
    assert engine.patience.problem == ""


async def test_calls_are_read_newest_first(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(number) for number in (3, 1, 2)])
    await logs.add([response_call(4)])

    assert await ids_of(engine, CHAT) == ["chatcmpl-3", "chatcmpl-2", "chatcmpl-1"]


async def test_limit_takes_the_newest(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(number) for number in range(1, 6)])

    assert await ids_of(engine, {**CHAT, "limit": 2}) == ["chatcmpl-5", "chatcmpl-4"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({**CHAT, "metadata": {"n": 1}}, ["chatcmpl-1"]),
        ({**CHAT, "metadata": {"n": 1.0, "k": ["v"]}}, ["chatcmpl-1"]),
        ({**CHAT, "metadata": {"n": "1"}}, []),
        ({**CHAT, "metadata": None, "model": None}, ["chatcmpl-2", "chatcmpl-1"]),
        ({**CHAT, "model": "gpt-4.1"}, ["chatcmpl-1"]),
        ({**CHAT, "model": "gpt-4.1-2025-04-14"}, ["chatcmpl-2", "chatcmpl-1"]),
        ({**CHAT, "model": "other"}, []),
        ({**CHAT, "created_after": CREATED_AT + 2}, ["chatcmpl-2"]),
        ({**CHAT, "created_before": CREATED_AT + 1}, ["chatcmpl-1"]),
        ({**CHAT, "created_after": CREATED_AT + 2, "created_before": CREATED_AT + 1}, []),
        ({**RESPONSES, "temperature": 0.5, "top_p": 1.0}, ["resp_3"]),
        ({**RESPONSES, "temperature": 1}, []),
        ({**RESPONSES, "reasoning_effort": "low"}, ["resp_3"]),
        ({**RESPONSES, "instructions_search": "brief"}, ["resp_3"]),
        ({**RESPONSES, "instructions_search": ""}, ["resp_4", "resp_3"]),
        ({**RESPONSES, "users": ["u-1", "u-2"]}, ["resp_3"]),
        ({**RESPONSES, "users": ["u-2"]}, []),
        ({**RESPONSES, "users": [], "tools": []}, ["resp_4", "resp_3"]),
        ({**RESPONSES, "tools": ["look", "listen"]}, ["resp_3"]),
        ({**RESPONSES, "tools": ["web_search"]}, ["resp_4"]),
        ({**RESPONSES, "tools": ["look"], "users": ["u-1"], "temperature": 0.6}, []),
    ],
)
async def test_every_filter_of_a_source_selects(
    engine: Engine, logs: LogStore, source: dict[str, Any], expected: list[str]
) -> None:
    asked = {
        "temperature": 0.5,
        "top_p": 1,
        "reasoning": {"effort": "low"},
        "instructions": "Be brief, please.",
        "user": "u-1",
        "tools": [{"type": "function", "name": "look"}],
    }
    await logs.add(
        [
            chat_call(1, metadata={"n": 1, "k": ["v"]}),
            chat_call(2, request={"model": "gpt-4o"}),
            response_call(3, request=asked),
            response_call(4, request={"tools": [{"type": "web_search"}]}),
            chat_call(5, scope=OTHER_PROJECT),
        ]
    )

    assert await ids_of(engine, source) == expected


@pytest.mark.parametrize("config", ["logs", "stored_completions"])
async def test_the_filters_of_source_and_eval_both_hold(engine: Engine, logs: LogStore, config: str) -> None:
    await logs.add(
        [
            chat_call(1, metadata={"usecase": "a", "version": 1}),
            chat_call(2, metadata={"usecase": "a", "version": 2}),
            chat_call(3, metadata={"usecase": "b", "version": 1}),
        ]
    )
    parent = await logs_eval(engine, {"type": config, "metadata": {"usecase": "a"}})

    assert await ids_of(engine, {**CHAT, "metadata": {"version": 1}}, parent) == ["chatcmpl-1"]


async def test_the_eval_alone_may_filter(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(1, metadata={"usecase": "a"}), chat_call(2, metadata={"usecase": "b"})])
    parent = await logs_eval(engine, {"type": "logs", "metadata": {"usecase": "a"}})

    assert await ids_of(engine, CHAT, parent) == ["chatcmpl-1"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (CHAT, "there is no stored chat completion"),
        (RESPONSES, "there is no stored response"),
        ({**CHAT, "model": "m", "limit": 3}, 'the source asks for {"model":"m"}'),
    ],
)
async def test_a_run_that_no_call_matches_has_no_items_and_says_why(
    engine: Engine, source: dict[str, Any], said: str
) -> None:
    run = await conduct(engine, await run_over(engine, source))

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "invalid_data_source"
    assert said in run.error.message


async def test_filters_that_contradict_each_other_name_the_key(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(1, metadata={"usecase": "a"})])
    parent = await logs_eval(engine, {"type": "logs", "metadata": {"usecase": "a"}})
    run = await conduct(engine, await run_over(engine, {**CHAT, "metadata": {"usecase": "b"}}, parent))

    assert run.error is not None
    assert "'usecase'" in run.error.message


async def test_what_is_stored_after_the_plan_does_not_belong_to_the_run(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(number) for number in (1, 2)])
    run = await run_over(engine, CHAT, status=RunStatus.IN_PROGRESS)
    planned = await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    await logs.add([chat_call(3)])
    run = await conduct(engine, await read_run(engine, run))

    assert planned == 2
    assert [call_id(item) for item in await read_items(engine, run)] == ["chatcmpl-2", "chatcmpl-1"]


async def test_a_call_gone_since_is_an_errored_item(sampling: Engine, model: Echo, logs: LogStore) -> None:
    await logs.add([chat_call(number) for number in (1, 2, 3)])
    asks = {"type": "item_reference", "item_reference": "item.input"}
    runs = [
        await run_over(sampling, CHAT, await logs_eval(sampling, number=number), number, asks=asked, status=started)
        for number, asked, started in ((1, None, RunStatus.IN_PROGRESS), (2, asks, RunStatus.IN_PROGRESS))
    ]
    for run in runs:
        await RunPlanner(sampling, run, lambda: False).plan_run(ItemSchema(True))
    call = chat_call(2)
    assert await logs.delete(DEFAULT_PROJECT, call.kind, call.id)
    for run in runs:
        ended = await conduct(sampling, await read_run(sampling, run))
        items = await read_items(sampling, ended)
        assert (ended.status, ended.tally.passed, ended.tally.errored) == (RunStatus.COMPLETED, 2, 1)
        assert [item.sample.error is None for item in items] == [True, False, True]
        error = items[1].sample.error
        assert isinstance(error, ItemError)
        assert (error.code, error.origin) == ("logged_call_gone", "data_source")
    assert len(model.asked) == 2


async def test_two_runs_over_the_same_logs_zip(sampling: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(number, f"Answer {number}.") for number in range(1, 30)])
    parent = await logs_eval(sampling)
    asks = {"type": "item_reference", "item_reference": "item.input"}
    stored = await conduct(sampling, await run_over(sampling, CHAT, parent, 1))
    replayed = await conduct(sampling, await run_over(sampling, CHAT, parent, 2, asks=asks))
    pairs = zip(await read_items(sampling, stored), await read_items(sampling, replayed), strict=True)

    for one, other in pairs:
        assert (one.position, one.item_text, one.item_hash) == (other.position, other.item_text, other.item_hash)
        assert one.sample.input == other.sample.input


async def test_a_replay_asks_what_was_asked_images_and_instructions_included(
    sampling: Engine, model: Echo, logs: LogStore
) -> None:
    parts = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PNG}]
    image = response_call(1, request={"instructions": "Be brief.", "input": [{"role": "user", "content": parts}]})
    await logs.add([image])
    asks = {"type": "item_reference", "item_reference": "item.input"}
    run = await conduct(sampling, await run_over(sampling, RESPONSES, asks=asks))
    [asked] = model.asked

    assert run.tally.passed == 1
    assert asked["input"][0] == {"role": "system", "content": "Be brief."}
    assert PNG in json.dumps(asked["input"][1])


async def test_a_template_can_ask_about_what_was_logged(sampling: Engine, model: Echo, logs: LogStore) -> None:
    await logs.add([chat_call(1, metadata={"k": "v"})])
    asks = {
        "type": "template",
        "template": [{"role": "user", "content": "{{ item.input[0].content }} {{item.metadata.k}}"}],
    }
    await conduct(sampling, await run_over(sampling, CHAT, asks=asks, options=RunOptions(repeats=3)))

    assert [each["messages"] for each in model.asked] == [[{"role": "user", "content": "Question 1? v"}]] * 3


async def test_a_schema_of_the_eval_holds_for_logged_calls_too(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(1, metadata={"k": "v"}), chat_call(2)])
    metadata = {"type": "object", "required": ["k"]}
    schema = {"type": "object", "properties": {"metadata": metadata}}
    parent = await logs_eval(engine, {"type": "custom", "item_schema": schema})
    run = await conduct(engine, await run_over(engine, CHAT, parent))

    assert run.error is not None
    assert run.error.code == "invalid_data_source"
    assert "'chatcmpl-2'" in run.error.message
    assert "'chatcmpl-1'" not in run.error.message
    assert await read_items(engine, run) == []


async def test_many_calls_are_cut_into_chunks_and_read_in_pages(
    engine: Engine, logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged_calls, "CHUNK_ROWS", 50)
    monkeypatch.setattr(logged_rows, "_PAGE_BYTES", 4_000)
    await logs.add([chat_call(number) for number in range(1, 121)])
    run = await run_over(engine, CHAT, status=RunStatus.IN_PROGRESS)
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    chunks = await read_chunks(engine, run)
    run = await conduct(engine, await read_run(engine, run))

    assert [(each.first_position, each.row_count) for each in chunks] == [(0, 50), (50, 50), (100, 20)]
    assert blob_path(engine.blobs, run.id).stat().st_size == 8 * 120
    items = await read_items(engine, run)
    assert [call_id(item) for item in items] == [f"chatcmpl-{number}" for number in range(120, 0, -1)]


async def test_pins_that_are_lost_end_the_run_and_say_so(engine: Engine, logs: LogStore) -> None:
    await logs.add([chat_call(number) for number in (1, 2)])
    run = await run_over(engine, CHAT, status=RunStatus.IN_PROGRESS)
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    path = blob_path(engine.blobs, run.id)
    path.write_bytes(path.read_bytes()[:8])
    run = await conduct(engine, await read_run(engine, run))

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "stored_file_damaged"
