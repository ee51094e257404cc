"""Facts about responses and pages: hostile text, inline rows, order of lists."""

import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from evalhaven.api.services import Services
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.output_item_writes import insert_output_items
from tests.unit.api.conftest import calling
from tests.unit.storage.stored import (
    blob_path,
    make_eval,
    make_item,
    make_run,
    store_active_run,
    store_eval,
    store_run,
)

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\0\ud800"
CRITERION: dict[str, Any] = {
    "type": "string_check",
    "name": HOSTILE,
    "id": "c-1",
    "input": "",
    "reference": "",
    "operation": "eq",
}


async def test_hostile_names_come_back_exactly(services: Services, client: httpx2.AsyncClient) -> None:
    parent = await store_eval(services.database, make_eval(name=HOSTILE, metadata={HOSTILE: HOSTILE}))
    answer = json.loads((await client.get(f"/v1/evals/{parent.id}")).content)

    assert answer["name"] == HOSTILE
    assert answer["metadata"] == {HOSTILE: HOSTILE}


async def test_an_item_is_answered_as_it_was_written(services: Services, client: httpx2.AsyncClient) -> None:
    run = await store_active_run(services.database)
    text = '{ "z":1.0,"a":12345678901234567890123,"s":"\\ud800\\u0000" }'
    async with services.database.write() as tx:
        await insert_output_items(tx, run.scope, run.key, [make_item(0, [], item_text=text)])
    answer = await client.get(f"/v1/evals/{run.eval_id}/runs/{run.id}/output_items")

    assert text in answer.text
    assert json.loads(answer.content)["data"][0]["datasource_item"] == json.loads(text)


async def test_inline_rows_are_echoed_as_they_were_written(services: Services, client: httpx2.AsyncClient) -> None:
    parent = await store_eval(services.database)
    rows = ['{"item":{ "n":1.0 }}', '{"item":{"s":"\\ud800"},"x":"é"}']
    for number in (1, 2):
        run = await store_run(services.database, make_run(parent, number))
        blob_path(services.blobs, run.id).write_text("\n".join(rows) + "\n")
    expected = [json.loads(row) for row in rows]
    one = await client.get(f"/v1/evals/{parent.id}/runs/{run.id}")
    page = json.loads((await client.get(f"/v1/evals/{parent.id}/runs")).content)

    assert f"[{','.join(rows)}]" in one.text
    assert json.loads(one.content)["data_source"]["source"]["content"] == expected
    assert [each["data_source"]["source"]["content"] for each in page["data"]] == [expected] * 2


async def test_no_text_of_a_run_is_taken_for_the_place_of_its_rows(
    services: Services, client: httpx2.AsyncClient
) -> None:
    parent = await store_eval(services.database, make_eval(name="\0", criteria=[CRITERION]))
    source: dict[str, Any] = {"\0": [], "type": "file_content", "content": [], "z": "\0"}
    data_source = {"\0": "\0", "type": "jsonl", "source": source, "z": {"content": "\0"}}
    new = make_run(parent, name="\0", metadata={"\0": "\0"}, data_source=data_source)
    run = await store_run(services.database, new)
    blob_path(services.blobs, run.id).write_text('{"item":{"s":"\\u0000"}}\n')
    shown = json.loads((await client.get(f"/v1/evals/{parent.id}/runs/{run.id}")).content)

    assert shown["data_source"] == {**data_source, "source": {**source, "content": [{"item": {"s": "\0"}}]}}
    assert (shown["name"], shown["metadata"]) == ("\0", {"\0": "\0"})


async def test_few_inline_rows_and_many_make_the_same_answer(services: Services, client: httpx2.AsyncClient) -> None:
    parent = await store_eval(services.database, make_eval(name=HOSTILE, criteria=[CRITERION]))
    run = await store_run(services.database, make_run(parent, name=HOSTILE))
    few, many = '{"item":{"s":"\\ud800"}}', f'{{"item":{{"s":"{"é" * 600_000}"}}}}'  # in one piece, and in several

    async def answer_with(row: str) -> httpx2.Response:
        blob_path(services.blobs, run.id).write_text(f"{row}\n{row}\n")
        return await client.get(f"/v1/evals/{parent.id}/runs/{run.id}")

    whole, streamed = await answer_with(few), await answer_with(many)

    assert int(whole.headers["content-length"]) == len(whole.content)
    assert "content-length" not in streamed.headers
    assert streamed.text.replace(many, few) == whole.text


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_lists_have_the_configured_order_unless_a_request_names_one(services: Services, order: Any) -> None:
    evals = [await store_eval(services.database, make_eval(number, created_at=number)) for number in (1, 2, 3)]
    runs = [
        await store_run(services.database, make_run(evals[0], number, created_at=number, has_inline_rows=False))
        for number in (1, 2, 3)
    ]
    items = [make_item(number, [], created_at=number) for number in (1, 2, 3)]
    async with services.database.write() as tx:
        await insert_output_items(tx, DEFAULT_PROJECT, runs[0].key, items)
    of_run = f"/v1/evals/{evals[0].id}/runs"
    async with calling(replace(services, config=replace(services.config, list_order=order))) as client:
        for path, objects in (
            ("/v1/evals", evals),
            (of_run, runs),
            (f"{of_run}/{runs[0].id}/output_items", items),
        ):
            oldest_first = [each.id for each in objects]
            by_order = {"asc": oldest_first, "desc": oldest_first[::-1]}
            assert [each["id"] for each in (await client.get(path)).json()["data"]] == by_order[order]
            for asked in ("asc", "desc"):
                found = (await client.get(path, params={"order": asked})).json()["data"]
                assert [each["id"] for each in found] == by_order[asked]


async def test_an_empty_list_has_no_ids(client: httpx2.AsyncClient) -> None:
    expected = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}

    assert (await client.get("/v1/evals")).json() == expected
    assert (await client.get("/v1/files")).json() == expected
