"""Facts about stored evals and files: exact documents, visibility, cursors."""

from dataclasses import replace
from typing import Any

import pytest

from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import Caution
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.database import Database
from evalhaven.storage.eval_writes import delete_eval, update_eval
from evalhaven.storage.evals import get_eval, get_eval_by_key, list_evals
from evalhaven.storage.files import delete_file, expire_files, get_file, list_files
from tests.unit.storage.stored import make_eval, make_file, store_eval, store_file

HOSTILE: list[Any] = ["\0", "\ud800", 2**70, 1.0, {"b": 1, "a": {"\udfff": None}}, "é😀\u2028"]


async def test_documents_come_back_as_they_went_in(database: Database) -> None:
    stored = await store_eval(
        database,
        make_eval(
            name="\0\ud800",
            metadata={"\ud800": "\0"},
            criteria=[{"type": "x", "hostile": HOSTILE}],
            warnings=[Caution("/a~1b", "\ud800")],
        ),
    )

    assert (stored.name, stored.metadata) == ("\0\ud800", {"\ud800": "\0"})
    assert repr(stored.testing_criteria.json) == repr([{"type": "x", "hostile": HOSTILE}])
    assert stored.warnings == [Caution("/a~1b", "\ud800")]


@pytest.mark.parametrize("public_id", ["", "eval_1", "\0", "\ud800", "x" * 500, "eval_%", "' OR 1=1 --"])
async def test_ids_that_name_nothing_are_not_found(database: Database, public_id: str) -> None:
    await store_eval(database)
    await store_file(database)
    async with database.read() as tx:
        with pytest.raises(NotFoundError) as missing:
            await get_eval(tx, SCOPE, public_id)
        with pytest.raises(NotFoundError):
            await get_file(tx, SCOPE, public_id, 100)

    assert (missing.value.param, missing.value.code) == ("eval_id", "not_found")


async def test_an_update_moves_only_what_it_changes(database: Database) -> None:
    stored = await store_eval(database)
    async with database.write() as tx:
        await update_eval(tx, SCOPE, replace(stored, name="Renamed", metadata={}, updated_at=300))
        changed = await get_eval(tx, SCOPE, stored.id)

    assert changed == replace(stored, name="Renamed", metadata={}, updated_at=300)


async def test_evals_are_ordered_by_their_last_update_on_request(database: Database) -> None:
    first, second, third = [await store_eval(database, make_eval(number, created_at=number)) for number in (1, 2, 3)]
    async with database.write() as tx:
        await update_eval(tx, SCOPE, replace(first, updated_at=500))
        newest = (await list_evals(tx, SCOPE, PageRequest(3, "desc"), by_update=True)).objects
        after = (await list_evals(tx, SCOPE, PageRequest(3, "desc", first.id), by_update=True)).objects

    assert [each.id for each in newest] == [first.id, third.id, second.id]
    assert [each.id for each in after] == [third.id, second.id]


async def test_a_deleted_eval_is_gone_but_stays_a_cursor(database: Database) -> None:
    first, second, third = [await store_eval(database, make_eval(number)) for number in (1, 2, 3)]
    async with database.write() as tx:
        await delete_eval(tx, SCOPE, second.key, 200)
        with pytest.raises(NotFoundError):
            await get_eval(tx, SCOPE, second.id)
        assert (await list_evals(tx, SCOPE, PageRequest(9, "asc"))).objects == [first, third]
        assert (await list_evals(tx, SCOPE, PageRequest(9, "asc", second.id))).objects == [third]
        assert (await list_evals(tx, SCOPE, PageRequest(9, "desc", second.id))).objects == [first]
        assert await get_eval_by_key(tx, SCOPE, second.key) == second


@pytest.mark.parametrize("after", ["eval_00000000000000000000000000000009", "\ud800", "x" * 500, "evalrun_1", "0"])
async def test_cursors_that_name_no_eval_are_refused(database: Database, after: str) -> None:
    await store_eval(database)
    async with database.read() as tx:
        with pytest.raises(InvalidRequestError, match="Invalid 'after'") as refusal:
            await list_evals(tx, SCOPE, PageRequest(9, "asc", after))

    assert (refusal.value.param, refusal.value.code) == ("after", "invalid_cursor")


async def test_ids_of_files_are_no_cursors_of_evals(database: Database) -> None:
    stored = await store_eval(database)
    file = await store_file(database)
    async with database.read() as tx:
        with pytest.raises(InvalidRequestError, match="those begin with 'eval_'"):
            await list_evals(tx, SCOPE, PageRequest(9, "asc", file.id))
        with pytest.raises(InvalidRequestError, match="those begin with 'file-'"):
            await list_files(tx, SCOPE, PageRequest(9, "asc", stored.id), None, 100)


async def test_files_are_listed_by_purpose(database: Database) -> None:
    for number, purpose in enumerate(["evals", "batch", "evals"]):
        await store_file(database, make_file(number, purpose=purpose, filename="\0\ud800.jsonl"))
    async with database.read() as tx:
        found = (await list_files(tx, SCOPE, PageRequest(9, "asc"), "evals", 100)).objects

    assert [(file.purpose, file.filename) for file in found] == [("evals", "\0\ud800.jsonl")] * 2


async def test_a_file_is_gone_from_the_second_in_which_it_expires(database: Database) -> None:
    file = await store_file(database, make_file(expires_at=150))
    async with database.write() as tx:
        assert (await get_file(tx, SCOPE, file.id, 149)).expires_at == 150
        with pytest.raises(NotFoundError):
            await get_file(tx, SCOPE, file.id, 150)
        assert (await list_files(tx, SCOPE, PageRequest(9, "asc"), None, 150)).objects == []
        await expire_files(tx, EngineScope(), 149)
        assert await get_file(tx, SCOPE, file.id, 149) == file
        await expire_files(tx, EngineScope(), 150)
        with pytest.raises(NotFoundError):
            await get_file(tx, SCOPE, file.id, 149)


async def test_a_deleted_file_is_gone_but_stays_a_cursor(database: Database) -> None:
    first, second = [await store_file(database, make_file(number)) for number in (1, 2)]
    async with database.write() as tx:
        await delete_file(tx, SCOPE, first.key, 200)
        with pytest.raises(NotFoundError):
            await get_file(tx, SCOPE, first.id, 100)
        assert (await list_files(tx, SCOPE, PageRequest(9, "asc", first.id), None, 100)).objects == [second]
