"""Stored files that were cut behind the server's back, from upload to the run's end."""

import json

from tests.server import Server
from tests.system.client import Client

_ROWS = 500


def test_a_run_over_a_file_that_was_cut_fails_instead_of_grading_what_is_left(server: Server, client: Client) -> None:
    # 27 bytes a row: 13,500 in total, of which 2,700 are left.
    content = b"".join(b'{"item":{"n":%3d,"a":"b"}}\n' % n for n in range(_ROWS))
    assert len(content) == 13_500
    file_id = client.upload(content)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    check = {"type": "string_check", "name": "a", "operation": "eq", "input": "{{ item.a }}", "reference": "b"}
    eval_id = client.create_eval([check], schema)
    blob = server.data_dir / "blobs" / "1" / file_id
    with blob.open("r+b") as file:
        file.truncate(2_700)
    run = client.wait_for_end(eval_id, client.start_run(eval_id, file_id))

    told = f"The stored file '{file_id}' has 2700 bytes and had 13500 bytes when it was accepted."
    assert (run["status"], run["result_counts"]["total"]) == ("failed", 0)
    assert run["error"]["code"] == "stored_file_damaged"
    assert run["error"]["message"].startswith(told)
    refused = client.get(f"/v1/files/{file_id}/content")
    assert refused.status_code == 500
    assert refused.json()["error"]["message"].startswith(told)
    assert told in server.log
    assert "Traceback" not in server.log

    # After the file is restored, the same run gets to all of its items.
    blob.write_bytes(content)
    assert client.post(f"/api/runs/{run['id']}/retry").status_code == 200
    mended = client.wait_for_end(eval_id, run["id"])
    assert (mended["status"], mended["result_counts"]["passed"]) == ("completed", _ROWS)


def test_a_run_whose_inline_rows_were_cut_is_shown_and_graded_again(server: Server, client: Client) -> None:
    check = {"type": "string_check", "name": "a", "operation": "eq", "input": "{{ item.a }}", "reference": "b"}
    eval_id = client.create_eval([check], {"type": "object"})
    rows = [{"item": {"a": "b", "n": n}} for n in range(_ROWS)]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    created = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source}).json()
    whole = client.wait_for_end(eval_id, created["id"])
    assert whole["data_source"]["source"]["content"] == rows
    blob = server.data_dir / "blobs" / "1" / whole["id"]
    blob.write_bytes(blob.read_bytes()[:1000])

    shown = client.get_run(eval_id, whole["id"])
    assert (shown["status"], shown["result_counts"]["total"]) == ("completed", _ROWS)
    assert shown["data_source"]["source"]["content"] == []
    assert "has 1000 bytes" in json.dumps(shown["evalhaven"]["warnings"])
    # Regrading reads output items, which are undamaged.
    regraded = client.post(f"/api/runs/{whole['id']}/regrade", json={}).json()
    assert client.wait_for_end(eval_id, regraded["id"])["result_counts"]["passed"] == _ROWS
