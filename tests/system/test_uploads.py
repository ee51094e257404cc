"""Kills while a file is sent in parts: what was accepted stays, what was not leaves nothing."""

import random
import threading
import time

import httpx2
import pytest

from tests.server import Server
from tests.sizes import SEED
from tests.system.client import Client, age_leftovers, wait_until

_ROUNDS = 4
_PARTS = 30
_PART_BYTES = 300_000


def _create(client: Client) -> str:
    body = {"bytes": _PARTS * _PART_BYTES, "filename": "f", "mime_type": "text/plain", "purpose": "evals"}
    answer = client.post("/v1/uploads", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def _content(number: int) -> bytes:
    return bytes([number]) * _PART_BYTES


def _send(client: Client, upload_id: str, accepted: dict[int, str]) -> None:
    """Send the parts that are not accepted yet, until one gets no answer."""
    for number in range(_PARTS):
        if number not in accepted:
            files = {"data": ("part", _content(number))}
            try:
                answer = client.post(f"/v1/uploads/{upload_id}/parts", files=files)
            except httpx2.TransportError:
                return
            assert answer.status_code == 200, answer.text
            accepted[number] = answer.json()["id"]


def _complete(client: Client, upload_id: str, accepted: dict[int, str], answers: list[httpx2.Response]) -> None:
    body = {"part_ids": [accepted[number] for number in range(_PARTS)]}
    try:
        answers.append(client.post(f"/v1/uploads/{upload_id}/complete", json=body))
    except httpx2.TransportError:
        return


def _kill_after(server: Server, thread: threading.Thread, delay_s: float) -> None:
    thread.start()
    time.sleep(delay_s)
    server.kill()
    thread.join()
    age_leftovers(server.data_dir)
    server.restart()


def _blobs(server: Server, directory: str) -> set[str]:
    place = server.data_dir / "blobs" / directory
    return {entry.name for entry in place.iterdir()} if place.is_dir() else set()


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_lose_no_accepted_part_and_leave_no_blob_without_an_owner(server: Server, client: Client) -> None:
    chance = random.Random(SEED)
    file_ids: set[str] = set()
    for _ in range(_ROUNDS):
        upload_id, accepted = _create(client), dict[int, str]()
        sender = threading.Thread(target=_send, args=(client, upload_id, accepted))
        _kill_after(server, sender, chance.uniform(0.02, 0.4))
        # The part that was under way may have been stored, although nobody was told its id.
        kept = _blobs(server, "1") - file_ids
        assert set(accepted.values()) <= kept
        assert len(kept) <= len(accepted) + 1
        assert _blobs(server, "unnamed/1") == _blobs(server, "parts") == set()

        _send(client, upload_id, accepted)
        answers: list[httpx2.Response] = []
        completer = threading.Thread(target=_complete, args=(client, upload_id, accepted, answers))
        _kill_after(server, completer, chance.uniform(0.0, 0.06))
        _complete(client, upload_id, accepted, answers)
        assert {answer.status_code for answer in answers} == {200}
        [file_id] = {answer.json()["file"]["id"] for answer in answers}
        content = client.get(f"/v1/files/{file_id}/content").content
        assert content == b"".join(_content(number) for number in range(_PARTS))

        file_ids.add(file_id)
        wait_until(lambda: _blobs(server, "1") == file_ids, "the parts are purged")
        assert {each["id"] for each in client.get("/v1/files").json()["data"]} == file_ids
        assert _blobs(server, "unnamed/1") == _blobs(server, "parts") == set()
    assert "Traceback" not in server.log


def test_an_upload_goes_on_after_a_restart_and_its_parts_are_purged_when_it_is_canceled(
    server: Server, client: Client
) -> None:
    upload_id, accepted = _create(client), dict[int, str]()
    _send(client, upload_id, accepted)
    server.restart()
    assert _blobs(server, "1") == set(accepted.values())
    assert client.post(f"/v1/uploads/{upload_id}/cancel").json()["status"] == "cancelled"
    wait_until(lambda: _blobs(server, "1") == set(), "the parts are purged")
