"""Facts about taking raw pages apart."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.importers.pages import NotAListError, as_line, read_head, split_list, split_page

SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(objects=st.lists(st.dictionaries(st.text(), VALUES), max_size=4), indent=st.sampled_from([None, 2]))
def test_objects_of_a_page_come_out_as_they_stand_in_it(objects: list[object], indent: int | None) -> None:
    body = json.dumps({"object": "list", "data": objects, "has_more": True}, indent=indent).encode()

    page = split_page(as_line(body))

    assert list(map(json.loads, page.objects)) == objects
    assert page.has_more is True
    assert all(raw in as_line(body) for raw in page.objects)


def test_lone_surrogates_and_long_numbers_are_kept() -> None:
    body = rb'{"data": [ {"id":"a","text":"\ud800","n":123456789012345678901234567890} , {"id":"b","x":1.50e3}]}'

    assert split_page(body).objects == [
        rb'{"id":"a","text":"\ud800","n":123456789012345678901234567890}',
        b'{"id":"b","x":1.50e3}',
    ]


def test_single_object_is_a_page_of_one() -> None:
    assert split_page(b' {"object":"eval","id":"e","data":[1]}\n').objects == [b'{"object":"eval","id":"e","data":[1]}']


@pytest.mark.parametrize("body", [b"", b'{"data":[', b"[1]", b'{"data":[1]} x', b"<html>"])
def test_body_that_is_not_whole_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidJsonError):
        split_list(body)


def test_json_without_a_list_is_no_page() -> None:
    with pytest.raises(NotAListError):
        split_list(b'{"object":"eval","id":"e"}')


def test_head_holds_what_decides() -> None:
    run = {
        "id": "evalrun_1",
        "status": "completed",
        "created_at": 5,
        "metadata": {"a": "b"},
        "result_counts": {"total": 7},
        "data_source": {"source": {"type": "file_id", "id": "file-1"}},
    }
    head = read_head(json.dumps(run).encode())
    assert (head.id, head.created_at, head.total, head.file_ids) == ("evalrun_1", 5.0, 7, ("file-1",))
    assert head.is_final
    odd = {"id": "x", "created_at": "late", "metadata": None, "result_counts": [], "data_source": {"source": None}}
    assert read_head(json.dumps(odd).encode()) == read_head(b'{"id":"x"}')
    assert not read_head(b'{"id":"x","status":"in_progress"}').is_final
    inline = {"type": "file_content", "id": "file-1"}
    assert read_head(json.dumps({"id": "x", "data_source": {"source": inline}}).encode()).file_ids == ()


def test_every_file_that_a_run_names_is_found() -> None:
    image = {"type": "input_image", "file_id": "file-image"}
    source = {
        "type": "responses",
        "source": {"type": "file_id", "id": "assistant-rows"},
        "input_messages": {"type": "template", "template": [{"content": [image, {"file_id": "{{item.file}}"}]}]},
        "sampling_params": {"tools": [{"container": {"file_ids": ["file-tool", 5, "file-image"]}}]},
    }

    head = read_head(json.dumps({"id": "x", "data_source": source}).encode())

    assert sorted(head.file_ids) == ["assistant-rows", "file-image", "file-tool"]
