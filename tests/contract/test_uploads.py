"""`/v1/uploads`: files that are sent in parts."""

import hashlib
import io
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd, file_source, refusal_of

PARTS = (b'{"item": {"a": "x", ', b'"b": "x"}}\n{"item": {"a"', b': "x", "b": "y"}}\n')
CONTENT = b"".join(PARTS)
CHECKSUM = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
MB = 1024 * 1024


def _body(**changes: Any) -> dict[str, Any]:
    body = {"bytes": len(CONTENT), "filename": "rows.jsonl", "mime_type": "application/jsonl", "purpose": "evals"}
    return {**body, **changes}


def _create(http: httpx2.Client, **changes: Any) -> dict[str, Any]:
    answer = http.post("/v1/uploads", json=_body(**changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _send(http: httpx2.Client, upload_id: str, content: bytes) -> httpx2.Response:
    return http.post(f"/v1/uploads/{upload_id}/parts", files={"data": ("part", content)})


def _add(http: httpx2.Client, upload_id: str, content: bytes) -> str:
    answer = _send(http, upload_id, content)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def _complete(http: httpx2.Client, upload_id: str, part_ids: Sequence[str], **more: Any) -> httpx2.Response:
    return http.post(f"/v1/uploads/{upload_id}/complete", json={"part_ids": part_ids, **more})


@pytest.fixture
def sent(http: httpx2.Client) -> tuple[str, list[str]]:
    """An upload whose parts are all there, and their ids in the order of the file."""
    upload_id = _create(http)["id"]
    return upload_id, [_add(http, upload_id, content) for content in PARTS]


def test_an_upload_and_its_parts_have_the_published_shape(http: httpx2.Client) -> None:
    made = _create(http)
    assert re.fullmatch("upload_[0-9a-f]{32}", made["id"])
    assert abs(made["created_at"] - time.time()) < 60
    assert made == {
        "id": made["id"],
        "object": "upload",
        "bytes": len(CONTENT),
        "created_at": made["created_at"],
        "filename": "rows.jsonl",
        "purpose": "evals",
        "status": "pending",
        "expires_at": made["created_at"] + 3600,
        "file": None,
    }
    part = _send(http, made["id"], PARTS[0]).json()
    assert re.fullmatch("part_[0-9a-f]{32}", part["id"])
    assert abs(part["created_at"] - time.time()) < 60
    assert (part["object"], part["upload_id"]) == ("upload.part", made["id"])


def test_a_completed_upload_is_a_file_like_any_other(
    http: httpx2.Client, sent: tuple[str, list[str]], make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    upload_id, part_ids = sent
    answer = _complete(http, upload_id, part_ids, md5=CHECKSUM.upper())
    assert answer.status_code == 200, answer.text
    completed = answer.json()
    file = completed["file"]
    assert (completed["id"], completed["status"], completed["bytes"]) == (upload_id, "completed", len(CONTENT))
    assert (file["filename"], file["purpose"], file["bytes"]) == ("rows.jsonl", "evals", len(CONTENT))
    assert file["expires_at"] is None
    assert http.get(f"/v1/files/{file['id']}").json() == file
    assert http.get("/v1/files?limit=1").json()["data"] == [file]
    assert http.get(f"/v1/files/{file['id']}/content").content == CONTENT
    run = run_to_end(make_eval(), data_source=file_source(file["id"]))
    assert run["status"] == "completed"
    assert (run["result_counts"]["passed"], run["result_counts"]["failed"]) == (1, 1)


def test_parts_make_the_file_in_the_order_in_which_they_are_named(
    http: httpx2.Client, sent: tuple[str, list[str]]
) -> None:
    upload_id, (first, second, third) = sent
    file = _complete(http, upload_id, [third, first, second]).json()["file"]
    assert http.get(f"/v1/files/{file['id']}/content").content == PARTS[2] + PARTS[0] + PARTS[1]


def test_a_part_that_was_sent_again_is_left_out(http: httpx2.Client, sent: tuple[str, list[str]]) -> None:
    upload_id, part_ids = sent
    again = _add(http, upload_id, PARTS[1])
    file = _complete(http, upload_id, [part_ids[0], again, part_ids[2]]).json()["file"]
    assert http.get(f"/v1/files/{file['id']}/content").content == CONTENT


def test_an_expiry_of_the_file_counts_from_its_own_creation(http: httpx2.Client) -> None:
    made = _create(http, bytes=0, expires_after={"anchor": "created_at", "seconds": 3600})
    file = _complete(http, made["id"], []).json()["file"]
    assert file["expires_at"] == file["created_at"] + 3600
    assert http.get(f"/v1/files/{file['id']}/content").content == b""


def test_a_request_to_complete_that_is_repeated_is_answered_with_the_same_file(
    http: httpx2.Client, sent: tuple[str, list[str]]
) -> None:
    upload_id, part_ids = sent
    first = _complete(http, upload_id, part_ids)
    assert _complete(http, upload_id, part_ids).json() == first.json()
    for other in ([*reversed(part_ids)], part_ids[1:], []):
        error = refusal_of(_complete(http, upload_id, other))
        assert (error["param"], error["code"]) == ("upload_id", "upload_ended")
    http.delete(f"/v1/files/{first.json()['file']['id']}")
    assert _complete(http, upload_id, part_ids).json() == {**first.json(), "file": None}


WRONG: dict[str, tuple[Callable[[list[str]], dict[str, Any]], str, str]] = {
    "a part twice": (lambda ids: {"part_ids": [ids[0], ids[1], ids[0]]}, "part_ids", "part_repeated"),
    "a part is missing": (lambda ids: {"part_ids": ids[:2]}, "part_ids", "upload_size_mismatch"),
    "no part": (lambda _: {"part_ids": []}, "part_ids", "upload_size_mismatch"),
    "an unknown part": (lambda ids: {"part_ids": [*ids[:2], "part_" + "0" * 32]}, "part_ids", "part_not_found"),
    "many unknown parts": (lambda _: {"part_ids": ["\x00", "é"] * 5_000}, "part_ids", "part_not_found"),
    "another order": (
        lambda ids: {"part_ids": ids[::-1], "md5": CHECKSUM},
        "md5",
        "upload_md5_mismatch",
    ),
    "another checksum": (lambda ids: {"part_ids": ids, "md5": "0" * 32}, "md5", "upload_md5_mismatch"),
    "a checksum in base64": (lambda ids: {"part_ids": ids, "md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "md5", "invalid_value"),
    "a number as checksum": (lambda ids: {"part_ids": ids, "md5": 5}, "md5", "invalid_value"),
    "no ids": (lambda _: {}, "part_ids", "invalid_value"),
    "an id that is none": (lambda ids: {"part_ids": [*ids[:2], 3]}, "part_ids[2]", "invalid_value"),
    "a text for ids": (lambda ids: {"part_ids": ids[0]}, "part_ids", "invalid_value"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_completed_stays_as_it_is_and_can_be_completed_later(
    http: httpx2.Client, sent: tuple[str, list[str]], name: str
) -> None:
    upload_id, part_ids = sent
    make, param, code = WRONG[name]
    before = http.get("/v1/files?limit=1").json()["first_id"]
    error = refusal_of(http.post(f"/v1/uploads/{upload_id}/complete", json=make(part_ids)))
    assert (error["param"], error["code"]) == (param, code)
    assert http.get("/v1/files?limit=1").json()["first_id"] == before, "nothing was stored"
    file = _complete(http, upload_id, part_ids).json()["file"]
    assert http.get(f"/v1/files/{file['id']}/content").content == CONTENT


def test_a_part_of_another_upload_is_unknown(http: httpx2.Client, sent: tuple[str, list[str]]) -> None:
    other_id = _create(http)["id"]
    error = refusal_of(_complete(http, other_id, sent[1]))
    assert (error["param"], error["code"]) == ("part_ids", "part_not_found")
    assert sent[1][0] in error["message"]


def test_a_canceled_upload_takes_nothing_any_more(http: httpx2.Client, sent: tuple[str, list[str]]) -> None:
    upload_id, part_ids = sent
    canceled = http.post(f"/v1/uploads/{upload_id}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "cancelled")
    assert http.post(f"/v1/uploads/{upload_id}/cancel").json() == canceled.json()
    for refused in (_send(http, upload_id, b"x"), _complete(http, upload_id, part_ids)):
        error = refusal_of(refused)
        assert (error["param"], error["code"]) == ("upload_id", "upload_ended")
        assert "is cancelled" in error["message"]


def test_a_completed_upload_takes_nothing_any_more(http: httpx2.Client, sent: tuple[str, list[str]]) -> None:
    upload_id, part_ids = sent
    file = _complete(http, upload_id, part_ids).json()["file"]
    for refused in (_send(http, upload_id, b"x"), http.post(f"/v1/uploads/{upload_id}/cancel")):
        assert refusal_of(refused)["code"] == "upload_ended"
    assert http.get(f"/v1/files/{file['id']}").json() == file


BAD_BODIES: dict[str, tuple[dict[str, Any], str | None]] = {
    "no bytes": ({"bytes": None}, "bytes"),
    "text for bytes": ({"bytes": "5"}, "bytes"),
    "a fraction": ({"bytes": 1.5}, "bytes"),
    "true": ({"bytes": True}, "bytes"),
    "negative": ({"bytes": -1}, "bytes"),
    "over 8 GB": ({"bytes": 8 * 1024 * MB + 1}, "bytes"),
    "huge": ({"bytes": 10**400}, "bytes"),
    "no name": ({"filename": ""}, "filename"),
    "null as name": ({"filename": None}, "filename"),
    "a very long name": ({"filename": "x" * 8_001}, "filename"),
    "an unknown purpose": ({"purpose": "fun"}, "purpose"),
    "a purpose of the server's own": ({"purpose": "batch_output"}, "purpose"),
    "no type": ({"mime_type": None}, "mime_type"),
    "an expiry too soon": ({"expires_after": {"anchor": "created_at", "seconds": 3599}}, "expires_after.seconds"),
    "another anchor": ({"expires_after": {"anchor": "now", "seconds": 3600}}, "expires_after.anchor"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", BAD_BODIES)
def test_an_upload_that_cannot_be_is_refused(http: httpx2.Client, name: str) -> None:
    changes, param = BAD_BODIES[name]
    assert refusal_of(http.post("/v1/uploads", json=_body(**changes)))["param"] == param


@ON_ONE_DATABASE
@pytest.mark.parametrize("left_out", ["bytes", "filename", "mime_type", "purpose"])
def test_what_an_upload_needs_is_asked_for(http: httpx2.Client, left_out: str) -> None:
    body = {key: value for key, value in _body().items() if key != left_out}
    error = refusal_of(http.post("/v1/uploads", json=body))
    assert (error["param"], error["code"]) == (left_out, "invalid_value")


@pytest.mark.parametrize("purpose", ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"])
def test_every_purpose_of_files_is_one_of_uploads(http: httpx2.Client, purpose: str) -> None:
    made = _create(http, bytes=0, purpose=purpose, mime_type="any/thing", filename="a/b\\rows.jsonl")
    assert (made["purpose"], made["filename"]) == (purpose, "rows.jsonl")
    assert _complete(http, made["id"], []).json()["file"]["purpose"] == purpose


def test_8_gb_are_accepted(http: httpx2.Client) -> None:
    assert _create(http, bytes=8 * 1024 * MB)["bytes"] == 8 * 1024 * MB


BAD_FORMS: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "nothing": ({}, 400, "data"),
    "JSON": ({"json": {"data": "x"}}, 400, "data"),
    "another name": ({"files": {"file": ("f", b"x")}}, 400, "data"),
    "two of them": ({"files": [("data", ("f", b"x")), ("data", ("f", b"x"))]}, 400, "data"),
    "over 64 MB": ({"files": {"data": ("f", io.BytesIO(bytes(64 * MB + 1)))}}, 413, "data"),
    "more than the upload": ({"files": {"data": ("f", CONTENT + b"x")}}, 400, "data"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_part_that_cannot_be_is_refused(http: httpx2.Client, name: str) -> None:
    request, status, param = BAD_FORMS[name]
    upload_id = _create(http)["id"]
    error = refusal_of(http.post(f"/v1/uploads/{upload_id}/parts", **request), status)
    assert error["param"] == param
    assert refusal_of(_complete(http, upload_id, []))["code"] == "upload_size_mismatch", "nothing was stored"


def test_parts_can_be_sent_again_but_not_without_end(http: httpx2.Client) -> None:
    upload_id = _create(http, bytes=4)["id"]
    first, *_ = [_add(http, upload_id, b"abcd") for _ in range(2)]
    error = refusal_of(_send(http, upload_id, b"a"))
    assert (error["param"], error["code"]) == ("data", "upload_full")
    assert _complete(http, upload_id, [first]).status_code == 200


@pytest.mark.parametrize("upload_id", ["upload_" + "0" * 32, "x", "file-%00", "ü", "x" * 3000])
def test_an_unknown_upload_is_not_found(http: httpx2.Client, upload_id: str) -> None:
    for answer in (
        _send(http, upload_id, b"x"),
        _complete(http, upload_id, []),
        http.post(f"/v1/uploads/{upload_id}/cancel"),
    ):
        error = refusal_of(answer, 404)
        assert (error["param"], error["code"]) == ("upload_id", "not_found")


def test_the_sdk_sends_a_large_file_in_parts(client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(CONTENT * 1000)
    done = client.uploads.upload_file_chunked(
        file=path, mime_type="application/jsonl", purpose="evals", part_size=20_000
    )
    assert (done.status, done.bytes, done.filename) == ("completed", len(CONTENT) * 1000, "rows.jsonl")
    assert done.file is not None
    assert client.files.content(done.file.id).content == CONTENT * 1000


def test_the_sdk_cancels_an_upload(client: openai.OpenAI) -> None:
    made = client.uploads.create(bytes=3, filename="f", mime_type="text/plain", purpose="user_data")
    client.uploads.parts.create(made.id, data=b"abc")
    assert client.uploads.cancel(made.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="is cancelled"):
        client.uploads.parts.create(made.id, data=b"abc")
