"""`/v1/files`: upload, list, get, content, delete, expiry."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, MakeRun, Upload, file_source, refusal_of, wait_for_end

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")


def _post(
    http: httpx2.Client, fields: dict[str, str] | None = None, *, content: bytes = b"{}", filename: str = "f.jsonl"
) -> httpx2.Response:
    data = {"purpose": "evals", **(fields or {})}
    return http.post("/v1/files", files={"file": (filename, content)}, data=data)


def test_a_file_answers_as_the_hosted_one_was_recorded(http: httpx2.Client, shared_dir: Path) -> None:
    recorded = json.loads((shared_dir / "spec/recorded/file_purpose_evals__2025-05.json").read_text())
    answer = _post(http, content=b"x" * recorded["bytes"], filename="tickets.jsonl")
    assert answer.status_code == 200
    made = answer.json()
    assert re.fullmatch(r"file-[0-9A-Za-z]{22}", made["id"])
    assert abs(made["created_at"] - time.time()) < 60
    assert json.dumps({**made, "id": recorded["id"], "created_at": recorded["created_at"]}) == json.dumps(recorded)
    assert http.get(f"/v1/files/{made['id']}").json() == made


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_can_be_uploaded_and_listed(http: httpx2.Client, purpose: str) -> None:
    made = _post(http, {"purpose": purpose}).json()
    assert made["purpose"] == purpose
    listed = http.get("/v1/files", params={"purpose": purpose}).json()["data"]
    assert listed[0] == made
    assert {each["purpose"] for each in listed} == {purpose}


@ON_ONE_DATABASE
@pytest.mark.parametrize("purpose", ["assistants_output", "batch_output", "fine-tune-results"])
def test_a_purpose_of_the_servers_own_files_can_be_listed_but_not_uploaded(http: httpx2.Client, purpose: str) -> None:
    assert http.get("/v1/files", params={"purpose": purpose}).json()["data"] == []
    assert refusal_of(_post(http, {"purpose": purpose}))["param"] == "purpose"


CONTENTS = {
    "rows": b'{"item": {"a": 1.50}}\n',
    "nothing": b"",
    "binary": bytes(range(256)) * 300,
    "what looks like a boundary": b"\r\n--boundary--\r\n\r\n------",
    "line breaks": b"\r\n\n\r\r\n",
    "two megabytes": b"0123456789abcdef" * 131_072,
}


@pytest.mark.parametrize("name", CONTENTS)
def test_content_comes_back_byte_for_byte(http: httpx2.Client, upload: Upload, name: str) -> None:
    file_id = upload(CONTENTS[name])
    answer = http.get(f"/v1/files/{file_id}/content")
    assert answer.status_code == 200
    assert answer.content == CONTENTS[name]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.get(f"/v1/files/{file_id}").json()["bytes"] == len(CONTENTS[name])


@pytest.mark.parametrize(
    ("asked", "content"),
    [("bytes=1-2", b"12"), ("bytes=-1", b"3"), ("bytes=2-", b"23"), ("bytes=0-0,3-3", None)],
)
def test_a_part_of_a_file_can_be_asked_for(
    http: httpx2.Client, upload: Upload, asked: str, content: bytes | None
) -> None:
    answer = http.get(f"/v1/files/{upload(b'0123')}/content", headers={"range": asked})
    assert answer.status_code == 206
    assert content is None or answer.content == content


@ON_ONE_DATABASE
@pytest.mark.parametrize("asked", ["bytes", "bytes=", "bytes=x-y", "bytes=2-1", "lines=1-2", "=", "bytes=-"])
def test_a_range_that_makes_no_sense_is_ignored(http: httpx2.Client, upload: Upload, asked: str) -> None:
    answer = http.get(f"/v1/files/{upload(b'0123')}/content", headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, b"0123")


@pytest.mark.parametrize("content", [b"0123", b""])
def test_a_range_behind_the_end_of_a_file_is_refused_with_its_size(
    http: httpx2.Client, upload: Upload, content: bytes
) -> None:
    answer = http.get(f"/v1/files/{upload(content)}/content", headers={"range": "bytes=4-5"})
    assert f"has {len(content)} bytes" in refusal_of(answer, 416)["message"]
    assert answer.headers["content-range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize("purpose", ["unknown", "", "Evals", "a b", "größe", "\x00", "x" * 5000])
def test_of_an_unknown_purpose_there_are_no_files(
    http: httpx2.Client, client: openai.OpenAI, upload: Upload, purpose: str
) -> None:
    upload(b"{}")
    answer = http.get("/v1/files", params={"purpose": purpose})
    assert answer.status_code == 200
    assert answer.json() == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert list(client.files.list(purpose=purpose)) == []


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("rows.jsonl", "rows.jsonl"),
        ("größe 😀.jsonl", "größe 😀.jsonl"),
        ("a b;c.jsonl", "a b;c.jsonl"),
        ("x" * 300, "x" * 300),
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\rows.jsonl", "rows.jsonl"),
    ],
)
def test_a_filename_is_only_a_name(http: httpx2.Client, filename: str, name: str) -> None:
    made = _post(http, filename=filename).json()
    assert made["filename"] == name
    answer = http.get(f"/v1/files/{made['id']}/content")
    assert answer.content == b"{}"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_filename_may_come_in_its_extended_form_alone(http: httpx2.Client) -> None:
    parts = ['name="purpose"\r\n\r\nevals', "name=\"file\"; filename*=UTF-8''na%C3%AFve%00.jsonl\r\n\r\n{}"]
    body = "".join(f"--b\r\nContent-Disposition: form-data; {each}\r\n" for each in parts) + "--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    made = http.post("/v1/files", content=body.encode(), headers=headers).json()
    assert made["filename"] == "naïve.jsonl"
    assert http.get(f"/v1/files/{made['id']}").json() == made


@pytest.mark.parametrize("seconds", [3600, 86_400, 2_592_000])
def test_an_expiry_counts_from_the_creation(http: httpx2.Client, client: openai.OpenAI, seconds: int) -> None:
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(seconds)}
    made = _post(http, fields).json()
    assert made["expires_at"] == made["created_at"] + seconds
    by_sdk = client.files.create(
        file=("f.jsonl", b"{}"), purpose="evals", expires_after={"anchor": "created_at", "seconds": seconds}
    )
    assert by_sdk.expires_at == by_sdk.created_at + seconds


BAD_EXPIRIES: dict[str, tuple[dict[str, str], str]] = {
    "too soon": ({"anchor": "created_at", "seconds": "3599"}, "expires_after.seconds"),
    "too late": ({"anchor": "created_at", "seconds": "2592001"}, "expires_after.seconds"),
    "negative": ({"anchor": "created_at", "seconds": "-3600"}, "expires_after.seconds"),
    "no number": ({"anchor": "created_at", "seconds": "1h"}, "expires_after.seconds"),
    "fraction": ({"anchor": "created_at", "seconds": "3600.5"}, "expires_after.seconds"),
    "huge": ({"anchor": "created_at", "seconds": "9" * 5000}, "expires_after.seconds"),
    "other digits": ({"anchor": "created_at", "seconds": "\u00b2"}, "expires_after.seconds"),
    "no seconds": ({"anchor": "created_at"}, "expires_after.seconds"),
    "other anchor": ({"anchor": "last_active_at", "seconds": "3600"}, "expires_after.anchor"),
    "no anchor": ({"seconds": "3600"}, "expires_after.anchor"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", BAD_EXPIRIES)
def test_an_expiry_out_of_bounds_is_refused(http: httpx2.Client, name: str) -> None:
    fields, param = BAD_EXPIRIES[name]
    before = http.get("/v1/files?limit=1").json()["first_id"]
    error = refusal_of(_post(http, {f"expires_after[{key}]": value for key, value in fields.items()}))
    assert error["param"] == param
    assert http.get("/v1/files?limit=1").json()["first_id"] == before, "nothing was stored"


def _form(*parts: tuple[str, bytes]) -> dict[str, Any]:
    """Return a multipart body of parts, each its header line and its content."""
    body = b"".join(b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return {"content": body + b"--b--\r\n", "headers": {"content-type": "multipart/form-data; boundary=b"}}


FILE_PART = ('content-disposition: form-data; name="file"; filename="f"', b"{}")
PURPOSE_PART = ('content-disposition: form-data; name="purpose"', b"evals")
BAD_FORMS: dict[str, tuple[dict[str, Any], str | None]] = {
    "JSON": ({"json": {"file": "x", "purpose": "evals"}}, "file"),
    "nothing": ({}, "file"),
    "no file": (_form(PURPOSE_PART), "file"),
    "no purpose": (_form(FILE_PART), "purpose"),
    "an unknown purpose": (_form(FILE_PART, (PURPOSE_PART[0], b"fun")), "purpose"),
    "an empty purpose": (_form(FILE_PART, (PURPOSE_PART[0], b"")), "purpose"),
    "a purpose in bytes": (_form(FILE_PART, (PURPOSE_PART[0], b"\xff\x00")), "purpose"),
    "two files": (_form(FILE_PART, FILE_PART, PURPOSE_PART), "file"),
    "no boundary": ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "file"),
    "a boundary never met": (
        {"content": b"xxxxxxx", "headers": {"content-type": "multipart/form-data; boundary=b"}},
        None,
    ),
    "cut short": (
        {"content": _form(FILE_PART, PURPOSE_PART)["content"][:-6], "headers": _form()["headers"]},
        None,
    ),
    "a field without end": (_form(FILE_PART, (PURPOSE_PART[0], b"x" * 100_000)), None),
    "a header without end": (_form(("x" * 100_000 + ": y", b""), FILE_PART, PURPOSE_PART), None),
    "fields without end": (_form(*((f'content-disposition: form-data; name="f{n}"', b"") for n in range(99))), None),
    "broken JSON as expiry": (
        _form(FILE_PART, PURPOSE_PART, ('content-disposition: form-data; name="expires_after"', b"{")),
        "expires_after",
    ),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_form_that_cannot_be_is_refused(http: httpx2.Client, name: str) -> None:
    request, param = BAD_FORMS[name]
    before = http.get("/v1/files?limit=1").json()["first_id"]
    error = refusal_of(http.post("/v1/files", **request))
    assert error["param"] == param
    assert http.get("/v1/files?limit=1").json()["first_id"] == before, "nothing was stored"


def test_a_deleted_file_is_gone_at_once(http: httpx2.Client, make_eval: MakeEval, upload: Upload) -> None:
    file_id = upload(b"{}")
    answer = http.delete(f"/v1/files/{file_id}")
    assert answer.status_code == 200
    assert answer.json() == {"id": file_id, "object": "file", "deleted": True}
    for gone in (
        http.get(f"/v1/files/{file_id}"),
        http.get(f"/v1/files/{file_id}/content"),
        http.delete(f"/v1/files/{file_id}"),
    ):
        assert refusal_of(gone, 404)["param"] == "file_id"
    assert file_id not in {each["id"] for each in http.get("/v1/files").json()["data"]}
    parent = make_eval()["id"]
    error = refusal_of(http.post(f"/v1/evals/{parent}/runs", json={"data_source": file_source(file_id)}))
    assert (error["param"], error["code"]) == ("data_source.source.id", "file_not_found")


def test_a_run_finishes_over_a_file_that_is_deleted_meanwhile(
    http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun, upload: Upload
) -> None:
    file_id = upload(b'{"item": {"a": "x", "b": "x"}}\n' * 30_000)
    run = make_run(make_eval(), data_source=file_source(file_id))
    assert http.delete(f"/v1/files/{file_id}").status_code == 200
    path = f"/v1/evals/{run['eval_id']}/runs/{run['id']}"
    assert http.get(path).json()["status"] in {"queued", "in_progress"}
    refusal_of(http.get(f"/v1/files/{file_id}"), 404)
    assert wait_for_end(http, run)["result_counts"]["passed"] == 30_000


@pytest.mark.parametrize("file_id", ["file-" + "0" * 22, "file-", "x", "file-%00", "ü", "x" * 3000, "..%2f..%2fetc"])
def test_an_unknown_file_is_not_found(http: httpx2.Client, make_eval: MakeEval, file_id: str) -> None:
    for method, tail in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        error = refusal_of(http.request(method, f"/v1/files/{file_id}{tail}"), 404)
        assert error["code"] in {"not_found", "unknown_url"}


def test_the_sdk_does_the_whole_life_of_a_file(client: openai.OpenAI) -> None:
    made = client.files.create(file=("rows.jsonl", b'{"item": {}}\n'), purpose="evals")
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).content == b'{"item": {}}\n'
    assert made.id in {each.id for each in client.files.list(purpose="evals", limit=2)}
    assert client.files.wait_for_processing(made.id).status == "processed"
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(made.id)
