"""Order, pages, cursors and limits, of evals, runs, output items and files alike."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, MakeRun, RunToEnd, Upload, file_source, refusal_of
from tests.server import Server

OBJECTS = 7


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose lists nothing else writes to; it has the documented default order."""
    with Server(tmp_path_factory.mktemp("alone"), EVALHAVEN_LIST_ORDER="asc").running() as running:
        yield running


@pytest.fixture(scope="module")
def lists(make_eval: MakeEval, make_run: MakeRun, run_to_end: RunToEnd, upload: Upload) -> dict[str, Any]:
    """Addresses of lists of seven objects or more, with the ids of the newest seven, oldest first."""
    evals = [make_eval(name=str(number)) for number in range(OBJECTS)]
    runs = [make_run(evals[0]) for _ in range(OBJECTS)]
    rows = [{"item": {"a": str(number), "b": "3"}} for number in range(OBJECTS)]
    run = run_to_end(evals[1], rows)
    return {
        "evals": ("/v1/evals", [each["id"] for each in evals]),
        "runs": (f"/v1/evals/{evals[0]['id']}/runs", [each["id"] for each in runs]),
        "output_items": (f"/v1/evals/{evals[1]['id']}/runs/{run['id']}/output_items", None),
        "files": ("/v1/files", [upload(b"{}") for _ in range(OBJECTS)]),
    }


NAMES = ("evals", "runs", "output_items", "files")


def _ids(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    page = answer.json()
    ids = [each["id"] for each in page["data"]]
    assert page["object"] == "list"
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids


@pytest.mark.parametrize("name", NAMES)
def test_lists_are_newest_first_unless_asked_otherwise(http: httpx2.Client, lists: Any, name: str) -> None:
    path, newest = lists[name]
    default, descending = _ids(http.get(path)), _ids(http.get(f"{path}?order=desc"))
    assert default == descending
    if newest is not None:
        assert default[:OBJECTS] == newest[::-1]
    if name != "files":
        ascending = _ids(http.get(f"{path}?order=asc&limit=1000"))
        assert ascending[-OBJECTS:] == default[:OBJECTS][::-1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, OBJECTS])
def test_pages_joined_are_the_whole_list(http: httpx2.Client, lists: Any, name: str, order: str, limit: int) -> None:
    path, _ = lists[name]
    whole = _ids(http.get(path, params={"order": order, "limit": 1000}))
    found: list[str] = []
    query: dict[str, Any] = {"order": order, "limit": limit}
    for _ in range(len(whole) + 2):
        answer = http.get(path, params=query)
        found += _ids(answer)
        if not answer.json()["has_more"]:
            break
        query["after"] = found[-1]
    assert found == whole


@pytest.mark.parametrize("name", NAMES)
def test_the_page_after_the_last_object_is_empty(http: httpx2.Client, lists: Any, name: str) -> None:
    path, _ = lists[name]
    last = _ids(http.get(f"{path}?limit=1000"))[-1]
    answer = http.get(path, params={"after": last})
    assert answer.json() == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", ["1001", "10000", "99999999999999999999"])
def test_a_limit_above_the_maximum_is_lowered(http: httpx2.Client, lists: Any, name: str, limit: str) -> None:
    path, _ = lists[name]
    assert len(_ids(http.get(path, params={"limit": limit}))) >= OBJECTS


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "", "NaN", "1e2", "\u0663", "null"])
def test_a_limit_below_one_or_no_number_is_refused(http: httpx2.Client, lists: Any, name: str, limit: str) -> None:
    path, _ = lists[name]
    error = refusal_of(http.get(path, params={"limit": limit}))
    assert error["param"] == "limit"
    assert "limit" in error["message"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "after",
    [
        "nonsense",
        "eval_" + "0" * 32,
        "evalrun_" + "0" * 32,
        "file-" + "0" * 22,
        "x" * 5000,
        "\u0000",
        "ü",
        "eval_",
        "%",
    ],
)
def test_a_cursor_that_names_nothing_is_refused(http: httpx2.Client, lists: Any, name: str, after: str) -> None:
    path, _ = lists[name]
    assert refusal_of(http.get(path, params={"after": after}))["param"] == "after"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", NAMES)
def test_a_cursor_of_another_kind_is_refused(http: httpx2.Client, lists: Any, name: str, other: str) -> None:
    foreign = _ids(http.get(f"{lists[other][0]}?limit=1"))[0]
    answer = http.get(lists[name][0], params={"after": foreign})
    if name == other:
        assert answer.status_code == 200
    else:
        assert refusal_of(answer)["param"] == "after"


def test_a_cursor_of_another_parent_is_refused(
    http: httpx2.Client, lists: Any, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    other = make_eval()
    run = run_to_end(other)
    assert refusal_of(http.get(lists["runs"][0], params={"after": run["id"]}))["param"] == "after"
    [item] = _ids(http.get(f"/v1/evals/{other['id']}/runs/{run['id']}/output_items"))
    assert refusal_of(http.get(lists["output_items"][0], params={"after": item}))["param"] == "after"


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("query", ["order=up", "order=", "order=DESC"])
def test_an_unknown_order_is_refused(http: httpx2.Client, lists: Any, name: str, query: str) -> None:
    assert refusal_of(http.get(f"{lists[name][0]}?{query}"))["param"] == "order"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("name", "query", "param"),
    [
        ("evals", "order_by=name", "order_by"),
        ("runs", "status=done", "status"),
        ("output_items", "status=done", "status"),
    ],
)
def test_an_unknown_filter_is_refused(http: httpx2.Client, lists: Any, name: str, query: str, param: str) -> None:
    error = refusal_of(http.get(f"{lists[name][0]}?{query}"))
    assert error["param"] == param


def test_order_by_updated_at_follows_updates(http: httpx2.Client, make_eval: MakeEval) -> None:
    first, second = make_eval(), make_eval()
    deadline = time.monotonic() + 10
    listed: list[str] = []
    # Times of update are whole seconds, and within one the id decides.
    while listed != [first["id"], second["id"]] and time.monotonic() < deadline:
        assert http.post(f"/v1/evals/{first['id']}", json={"name": "n"}).status_code == 200
        listed = _ids(http.get("/v1/evals?order_by=updated_at&limit=2"))
    assert listed == [first["id"], second["id"]]
    assert _ids(http.get("/v1/evals?order_by=created_at&limit=2")) == [second["id"], first["id"]]
    after = _ids(http.get("/v1/evals", params={"order_by": "updated_at", "limit": 1, "after": first["id"]}))
    assert after == [second["id"]]


def test_deleting_while_paging_reaches_every_object(client: openai.OpenAI, make_eval: MakeEval) -> None:
    parent = make_eval()
    for _ in range(5):
        client.evals.runs.create(parent["id"], data_source={"type": "jsonl", "source": _one_row()})
    deleted = 0
    for run in client.evals.runs.list(parent["id"], limit=2, order="asc"):
        client.evals.runs.delete(run.id, eval_id=parent["id"])
        deleted += 1
    assert deleted == 5
    assert list(client.evals.runs.list(parent["id"])) == []


def _one_row() -> Any:
    return {"type": "file_content", "content": [{"item": {"a": "x", "b": "x"}}]}


def test_a_deleted_eval_or_file_stays_a_cursor(http: httpx2.Client, make_eval: MakeEval, upload: Upload) -> None:
    older, newer = make_eval(), make_eval()
    http.delete(f"/v1/evals/{newer['id']}")
    assert _ids(http.get("/v1/evals", params={"after": newer["id"], "limit": 1})) == [older["id"]]
    file, gone = upload(b"1"), upload(b"2")
    http.delete(f"/v1/files/{gone}")
    assert _ids(http.get("/v1/files", params={"after": gone, "limit": 1})) == [file]


def test_the_documented_default_order_is_a_setting(alone: Server) -> None:
    body = {"data_source_config": {"type": "logs"}, "testing_criteria": []}
    with httpx2.Client(base_url=alone.url) as http:
        assert http.get("/v1/evals").json() == {
            "object": "list",
            "data": [],
            "first_id": None,
            "last_id": None,
            "has_more": False,
        }
        made = [http.post("/v1/evals", json=body).json()["id"] for _ in range(3)]
        assert _ids(http.get("/v1/evals")) == made
        assert _ids(http.get("/v1/evals?order=desc")) == made[::-1]


def test_a_page_ends_early_once_it_is_large_and_the_next_goes_on(
    client: openai.OpenAI, make_eval: MakeEval, run_to_end: RunToEnd, upload: Upload
) -> None:
    parent = make_eval(testing_criteria=[])
    rows = b"".join(b'{"item": {"n": %d, "text": "%s"}}\n' % (number, b"x" * 1_500_000) for number in range(15))
    run = run_to_end(parent, data_source=file_source(upload(rows)))
    first = client.evals.runs.output_items.list(run["id"], eval_id=parent["id"], limit=100, order="asc")
    assert 1 <= len(first.data) < 15
    assert first.has_more
    found = [item.datasource_item_id for item in first]
    assert sorted(found) == list(range(15))
