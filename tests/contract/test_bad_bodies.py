"""Invalid bodies and ids: each is refused with the parameter and the cure; nothing is created and nothing breaks."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd, eval_body, inline_source, refusal_of
from tests.server import Server

DEEP = 100_000
_EVAL = json.dumps(eval_body())[1:]

NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "cut short": b'{"name": "x"',
    "a trailing comma": b'{"name": "x",}',
    "single quotes": b"{'name': 'x'}",
    "a comment": b'{"name": "x"} // done',
    "two documents": b"{}{}",
    "a word": b"nul",
    "NaN": b'{"name": NaN, ' + _EVAL.encode(),
    "infinity": b'{"x": -Infinity, ' + _EVAL.encode(),
    "a number out of range": b'{"x": 1e999, ' + _EVAL.encode(),
    "too many digits": b'{"x": ' + b"9" * 5000 + b", " + _EVAL.encode(),
    "bytes that are no UTF-8": b'{"name": "\xff\xfe", ' + _EVAL.encode(),
    "UTF-16": json.dumps(eval_body()).encode("utf-16"),
    "a raw line break in text": b'{"name": "a\nb", ' + _EVAL.encode(),
    "a raw U+0000": b'{"name": "\x00", ' + _EVAL.encode(),
    "an unknown escape": b'{"name": "\\x00", ' + _EVAL.encode(),
    "deep arrays": b'{"x": ' + b"[" * DEEP + b"]" * DEEP + b", " + _EVAL.encode(),
    "deep objects": b'{"x": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b", " + _EVAL.encode(),
    "deep arrays never closed": b"[" * DEEP,
    "closing brackets only": b"]" * DEEP,
}
NO_OBJECT = {"an array": b"[]", "an array of one": b"[{}]", "null": b"null", "text": b'"x"', "a number": b"1.5"}


@pytest.fixture(scope="module")
def parent(make_eval: MakeEval) -> str:
    return make_eval(name="unchanged", metadata={"k": "v"})["id"]


def _paths(parent: str) -> tuple[str, str, str]:
    return "/v1/evals", f"/v1/evals/{parent}", f"/v1/evals/{parent}/runs"


@pytest.fixture(autouse=True)
def _nothing_changes(http: httpx2.Client, parent: str) -> Iterator[None]:
    before = _state(http, parent)
    yield
    assert _state(http, parent) == before
    assert http.get("/readyz").status_code == 200


def _state(http: httpx2.Client, parent: str) -> list[Any]:
    newest = http.get("/v1/evals?limit=1").json()["first_id"]
    return [newest, http.get(f"/v1/evals/{parent}").json(), http.get(f"/v1/evals/{parent}/runs").json()]


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", NOT_JSON)
def test_a_body_that_is_no_json_is_refused(http: httpx2.Client, parent: str, name: str) -> None:
    for path in _paths(parent):
        error = refusal_of(http.post(path, content=NOT_JSON[name]))
        assert error["code"] in {"invalid_json", "invalid_value"}
        assert "JSON" in error["message"] or "nested" in error["message"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", NO_OBJECT)
def test_a_body_that_is_no_object_is_refused(http: httpx2.Client, parent: str, name: str) -> None:
    for path in _paths(parent):
        error = refusal_of(http.post(path, content=NO_OBJECT[name]))
        assert re.search("must be an? (JSON )?object", error["message"])


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"data_source_config": None}, "data_source_config"),
        ({"data_source_config": []}, "data_source_config"),
        ({"data_source_config": {}}, "data_source_config.type"),
        ({"data_source_config": {"type": "csv"}}, "data_source_config.type"),
        ({"data_source_config": {"type": ["custom"]}}, "data_source_config.type"),
        ({"data_source_config": {"type": "custom"}}, "data_source_config.item_schema"),
        ({"data_source_config": {"type": "logs", "metadata": []}}, "data_source_config.metadata"),
        ({"testing_criteria": None}, "testing_criteria"),
        ({"testing_criteria": {}}, "testing_criteria"),
        ({"name": 1}, "name"),
        ({"name": ["x"]}, "name"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"key": 1}}, "metadata.key"),
        ({"metadata": {"key": None}}, "metadata.key"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"key": "v" * 513}}, "metadata.key"),
    ],
)
def test_values_of_a_wrong_kind_are_refused_by_name(
    http: httpx2.Client, parent: str, changes: dict[str, Any], param: str
) -> None:
    bodies = {"/v1/evals": eval_body(**changes)}
    if changes.keys() <= {"name", "metadata"}:
        bodies[f"/v1/evals/{parent}"] = changes
        bodies[f"/v1/evals/{parent}/runs"] = {"data_source": inline_source(), **changes}
    for path, body in bodies.items():
        error = refusal_of(http.post(path, json=body))
        assert (error["param"], error["code"]) == (param, "invalid_value")
        assert param.rpartition(".")[2] in error["message"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("missing", ["data_source_config", "testing_criteria"])
def test_required_keys_are_named(http: httpx2.Client, parent: str, missing: str) -> None:
    body = {key: value for key, value in eval_body().items() if key != missing}
    error = refusal_of(http.post("/v1/evals", json=body))
    assert (error["param"], "required" in error["message"]) == (missing, True)
    error = refusal_of(http.post(f"/v1/evals/{parent}/runs", json={}))
    assert error["param"] == "data_source"


IDS = {
    "of no object": "eval_" + "0" * 32,
    "of another kind": "evalrun_" + "0" * 32,
    "old": "egroup_" + "0" * 32,
    "short": "x",
    "U+0000": "eval_%00",
    "unicode": "eval_ü😀",
    "surrogates": "eval_%ED%A0%80",
    "no UTF-8": "eval_%FF",
    "blanks": "%20",
    "quotes": "eval_'%20OR%201=1--",
    "a wildcard": "eval_%25",
    "long": "eval_" + "0" * 5000,
    "a slash": "eval_%2F..",
}


@pytest.mark.parametrize("name", IDS)
def test_an_unknown_id_of_any_form_is_not_found(http: httpx2.Client, parent: str, name: str) -> None:
    unknown = IDS[name]
    run, item = f"/v1/evals/{parent}/runs/{unknown}", "outputitem_" + "0" * 32
    for method, path in (
        ("GET", f"/v1/evals/{unknown}"),
        ("DELETE", f"/v1/evals/{unknown}"),
        ("GET", f"/v1/evals/{unknown}/runs"),
        ("GET", f"/v1/evals/{unknown}/runs/evalrun_x/output_items/{item}"),
        ("GET", run),
        ("POST", run),
        ("POST", f"{run}/cancel"),
        ("DELETE", run),
        ("GET", f"{run}/output_items"),
        ("GET", f"{run}/output_items/{unknown}"),
    ):
        assert refusal_of(http.request(method, path), 404)["code"] in {"not_found", "unknown_url"}
    for path, body in (
        (f"/v1/evals/{unknown}", {"name": "x"}),
        (f"/v1/evals/{unknown}/runs", {"data_source": inline_source()}),
    ):
        refusal_of(http.post(path, json=body), 404)


@pytest.mark.parametrize("file_id", ["file-" + "0" * 22, "x", "\x00", "ü", "\ud800", "x" * 5000, "eval_x", " "])
def test_a_run_over_a_file_that_is_not_there_is_refused(http: httpx2.Client, parent: str, file_id: str) -> None:
    body = {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}}
    error = refusal_of(http.post(f"/v1/evals/{parent}/runs", content=json.dumps(body)))
    assert error["param"] == "data_source.source.id"


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", ["/v1/evals", "runs"])
def test_strict_must_be_a_truth_value(http: httpx2.Client, parent: str, path: str) -> None:
    url = f"/v1/evals/{parent}/runs" if path == "runs" else path
    assert refusal_of(http.post(f"{url}?strict=perhaps", json={}))["param"] == "strict"


def test_a_limit_of_many_digits_is_refused_or_lowered(http: httpx2.Client) -> None:
    assert http.get(f"/v1/evals?limit={'9' * 5000}").status_code in {200, 400}


@ON_ONE_DATABASE
@pytest.mark.parametrize("length", ["-1", "x", "9" * 40, "1, 2"])
def test_a_nonsense_content_length_does_no_harm(server: Server, length: str) -> None:
    sent = {"host": "127.0.0.1", "connection": "close", "content-length": length, **server.headers}
    head = "".join(f"{line}\r\n" for line in ("POST /v1/evals HTTP/1.1", *map(": ".join, sent.items()), ""))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65_536)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer)


@ON_ONE_DATABASE
def test_a_very_long_address_is_refused(http: httpx2.Client, server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/evals/" + b"x" * 200_000 + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        answer = connection.recv(65_536)
    assert re.match(rb"HTTP/1.1 4\d\d ", answer)


def test_metadata_at_its_limits_is_accepted(server: Server) -> None:
    metadata = {f"{number:02}{'ü' * 62}": "😀" * 512 for number in range(16)}
    # Not through the watched server's lists: this one is meant to be created.
    with httpx2.Client(base_url=server.url, headers=server.headers) as http:
        made = http.post("/v1/files", files={"file": ("f", b"{}")}, data={"purpose": "evals"})
        assert made.status_code == 200
        evaluation = http.post("/v1/evals", json=eval_body(metadata=metadata))
        assert (evaluation.status_code, evaluation.json()["metadata"]) == (201, metadata)
        assert http.delete(f"/v1/evals/{evaluation.json()['id']}").status_code == 200


def test_the_last_of_duplicate_keys_counts(http: httpx2.Client, server: Server) -> None:
    answer = http.post("/v1/evals", content=f'{{"name":"first","name":"last",{_EVAL}'.encode())
    assert (answer.status_code, answer.json()["name"]) == (201, "last")
    assert http.delete(f"/v1/evals/{answer.json()['id']}").status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
)
def test_the_declared_type_of_a_body_does_not_matter(http: httpx2.Client, kind: str) -> None:
    answer = http.post("/v1/evals", content=json.dumps(eval_body()), headers={"content-type": kind})
    assert answer.status_code == 201
    assert http.delete(f"/v1/evals/{answer.json()['id']}").status_code == 200


@pytest.mark.parametrize("levels", [50, 250, 400, 495, 600, 900])
def test_nesting_is_served_or_refused_but_never_half(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, levels: int
) -> None:
    value: Any = "x"
    for _ in range(levels):
        value = {"a": value}
    part = {"type": "input_text", "text": "x", "deep": value}
    grader = {"type": "score_model", "name": "n", "model": "m", "input": [{"role": "user", "content": [part]}]}
    for body in (
        eval_body(testing_criteria=[grader]),
        eval_body(unknown=value),
        eval_body(data_source_config={"type": "custom", "item_schema": {"default": value}}),
    ):
        answer = http.post("/v1/evals", content=json.dumps(body))
        if answer.status_code == 201:
            path = f"/v1/evals/{answer.json()['id']}"
            assert http.get(path).json() == answer.json()
            assert http.delete(path).status_code == 200
        else:
            refusal_of(answer)
            assert levels > 200
    parent = make_eval()
    rows = json.dumps({"data_source": inline_source([{"item": {"a": value}}])})
    answer = http.post(f"/v1/evals/{parent['id']}/runs", content=rows)
    if answer.status_code == 201:
        run = answer.json()["id"]
        assert http.get(f"/v1/evals/{parent['id']}/runs/{run}").status_code == 200
        assert http.get(f"/v1/evals/{parent['id']}/runs/{run}/output_items").status_code == 200
    else:
        refusal_of(answer)
        assert levels > 400
    assert http.delete(f"/v1/evals/{parent['id']}").status_code == 200
