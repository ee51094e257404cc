"""A server under attack: objects to aim at, and the facts that each of its answers has to meet."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from tests.contract.conftest import FINAL, eval_body, inline_source
from tests.contract.document import AnswerChecker
from tests.hostile.addresses import Headers
from tests.hostile.attacked import TIMEOUT_S, Attacked
from tests.hostile.operations import FORM, Operation, operations_of
from tests.hostile.valid import BODIES
from tests.hostile.values import to_json
from tests.server import Server

_ROWS = [{"item": {"a": "x", "b": "x"}}, {"item": {"a": "x", "b": "y"}}]
_GROWING = ("status", "result_counts", "per_testing_criteria_results", "per_model_usage", "evalhaven", "error")
_BOUNDARY = "boundary"


class Target(Attacked):
    """The server of evals.

    Attributes:
        eval_id: An eval that stays.
        run_id: A completed run of it, of two items.
        file_id: A file that stays.
        completion_id: A stored chat completion that stays.
        response_id: A stored response that stays.
    """

    bodies = BODIES
    # Not every model and response can have it.
    may_refuse = frozenset(("retrieveModel", "cancelResponse", "createEmbedding"))
    # The server's endpoint serves any name of a model, however strange.
    open_paths = frozenset(("retrieveModel",))

    def __init__(self, server: Server, client: httpx2.Client) -> None:
        super().__init__(server, client)
        document = client.get("/openapi.json").json()
        self._checker = AnswerChecker(document)
        # What manages access and webhooks is attacked on a server of its own (tests/hostile/management.py).
        self.operations = {
            name: each
            for name, each in operations_of(document).items()
            if not each.template.startswith(("/v1/organization/", "/v1/webhook_"))
        }
        self.eval_id: str = self._made("/v1/evals", eval_body(name="stays", metadata={"k": "v"}))
        self.file_id = self.upload(b"".join(json.dumps(row).encode() + b"\n" for row in _ROWS))
        self.completion_id = self._new_completion()
        self.response_id = self._new_response()
        self.run_id = self._new_run(self.eval_id)
        self.ended(self.eval_id, self.run_id)
        self.item_id: str = self._items(self.eval_id, self.run_id)[0]["id"]
        self._state = self._look()

    def ids(self, operation: Operation) -> dict[str, str]:
        """Return path parameters that name existing objects, made for the purpose where the operation destroys."""
        known = {"eval_id": self.eval_id, "run_id": self.run_id, "output_item_id": self.item_id}
        known |= {"file_id": self.file_id, "model": "m", "upload_id": ""}
        known |= {"completion_id": self.completion_id, "response_id": self.response_id}
        assert set(operation.path) <= known.keys(), f"{operation.id}: name an object for each of {operation.path}"
        if operation.destroys and operation.path:
            last = operation.path[-1]
            makers: dict[str, Callable[[], str]] = {
                "eval_id": lambda: self._made("/v1/evals", eval_body()),
                "run_id": lambda: self._new_run(self.eval_id),
                "file_id": lambda: self.upload(b"{}"),
                "completion_id": self._new_completion,
                "response_id": self._new_response,
                "upload_id": lambda: self._new_upload(0 if operation.id == "completeUpload" else 1000),
            }
            known[last] = makers[last]()
            # Uploads are in no list.
            if last != "upload_id":
                self._state = None
        return {name: known[name] for name in operation.path}

    def body(self, operation: Operation, number: int = 0) -> tuple[bytes, Headers]:
        """Return a valid body of an operation with the header that declares it."""
        if operation.body is None:
            return b"", []
        if operation.id == "addUploadPart":
            return form(part(b'form-data; name="data"; filename="part"', b"x")), [(b"content-type", FORM_TYPE)]
        if operation.body == FORM:
            return form(file_part(), PURPOSE), [(b"content-type", FORM_TYPE)]
        assert operation.id in BODIES, f"{operation.id} has no valid body in tests/hostile/valid.py"
        bodies = BODIES[operation.id]
        return to_json(bodies[number % len(bodies)]), [(b"content-type", b"application/json")]

    def settle(self, operation: Operation, answer: httpx2.Response, content: bytes | None = None) -> None:
        """Read back what an accepted request made, find it in its list, let it run, and take it away again."""
        if not answer.is_success or not operation.writes:
            return
        if operation.id == "createEval":
            self._settle(f"/v1/evals/{answer.json()['id']}", answer)
        elif operation.id == "createFile":
            path = f"/v1/files/{answer.json()['id']}"
            received = self._client.get(f"{path}/content").content
            assert len(received) == answer.json()["bytes"]
            assert content is None or received == content
            self._settle(path, answer)
        elif operation.id == "completeUpload":
            path = f"/v1/files/{answer.json()['file']['id']}"
            assert self._client.get(path).json() == answer.json()["file"]
            self._remove(path)
        elif operation.id == "createEvalRun":
            self._settle_run(answer.json())
        elif operation.id == "updateEval":
            assert self._client.get(f"/v1/evals/{self.eval_id}").json() == answer.json()
            body: dict[str, Any] = {"name": "stays", "metadata": {"k": "v"}}
            assert self._client.post(f"/v1/evals/{self.eval_id}", json=body).status_code == 200
        elif operation.id == "updateChatCompletion":
            path = f"/v1/chat/completions/{self.completion_id}"
            assert self._client.get(path).json() == answer.json()
            assert self._client.post(path, json={"metadata": {"k": "v"}}).status_code == 200

    def upload(self, content: bytes) -> str:
        """Upload a file of rows and return its id."""
        answer = self._client.post("/v1/files", files={"file": ("f", content)}, data={"purpose": "evals"})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def ended(self, eval_id: str, run_id: str) -> dict[str, Any]:
        """Return a run as it is when it has ended; its counts add up and every item that it counts is listed."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            answer = self._client.get(f"/v1/evals/{eval_id}/runs/{run_id}")
            assert answer.status_code == 200, answer.text
            run: dict[str, Any] = answer.json()
            if run["status"] in FINAL:
                break
            time.sleep(0.01)
        else:
            raise AssertionError(f"run {run_id} did not end within {TIMEOUT_S} s")
        counts = run["result_counts"]
        assert counts["total"] == counts["passed"] + counts["failed"] + counts["errored"]
        assert (run["error"] is not None) == (run["status"] == "failed")
        assert run["error"] is None or run["error"]["code"] != "internal_error"
        items = self._items(eval_id, run_id)
        assert len(items) == counts["total"]
        assert sorted(item["datasource_item_id"] for item in items) == list(range(counts["total"]))
        if items:
            item = self._client.get(f"/v1/evals/{eval_id}/runs/{run_id}/output_items/{items[0]['id']}")
            assert item.json() == items[0]
        return run

    def _items(self, eval_id: str, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = "limit=1000"
        while True:
            answer = self._client.get(f"/v1/evals/{eval_id}/runs/{run_id}/output_items?{query}")
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            if not answer.json()["has_more"]:
                return found
            query = f"limit=1000&after={found[-1]['id']}"

    def _made(self, path: str, body: dict[str, Any]) -> str:
        answer = self._client.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def _new_run(self, eval_id: str) -> str:
        return self._made(f"/v1/evals/{eval_id}/runs", {"data_source": inline_source(_ROWS)})

    def _new_completion(self) -> str:
        asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "store": True, "metadata": {"k": "v"}}
        return self._asked("/v1/chat/completions", asked)

    def _new_response(self) -> str:
        return self._asked("/v1/responses", {"model": "m", "input": "x"})

    def _new_upload(self, size_bytes: int) -> str:
        return self._asked("/v1/uploads", {**BODIES["createUpload"][0], "bytes": size_bytes})

    def _asked(self, path: str, body: dict[str, Any]) -> str:
        answer = self._client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def _settle_run(self, made: dict[str, Any]) -> None:
        path = f"/v1/evals/{made['eval_id']}/runs/{made['id']}"
        ended = self.ended(made["eval_id"], made["id"])
        assert {key: value for key, value in ended.items() if key not in _GROWING} == {
            key: value for key, value in made.items() if key not in _GROWING
        }
        listed = self._client.get(f"/v1/evals/{made['eval_id']}/runs?limit=1&order=desc").json()["data"]
        assert listed == [ended]
        self._remove(path)

    def _settle(self, path: str, answer: httpx2.Response) -> None:
        assert self._client.get(path).text == answer.text
        listed = self._client.get(f"{path.rpartition('/')[0]}?limit=1&order=desc").json()["data"]
        assert listed == [answer.json()]
        self._remove(path)

    def _remove(self, path: str) -> None:
        assert self._client.delete(path).status_code == 200
        assert self._client.get(path).status_code == 404

    def _look(self) -> tuple[str, ...]:
        """Return what a refused request must not change."""
        run = f"/v1/evals/{self.eval_id}/runs/{self.run_id}"
        paths = ("/v1/evals?limit=100", "/v1/files?limit=100", run, f"{run}/output_items")
        paths += (f"/v1/chat/completions/{self.completion_id}", f"/v1/responses/{self.response_id}")
        seen = [self._listed(path).text for path in paths]
        # Only which ones there are: a run that was just made goes on.
        runs = self._listed(f"/v1/evals/{self.eval_id}/runs?limit=5").json()["data"]
        return (*seen, *(each["id"] for each in runs))

    def _checker_of(self, operation: Operation) -> AnswerChecker:
        return self._checker

    def _listed(self, path: str) -> httpx2.Response:
        answer = self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer


FORM_TYPE = f"{FORM}; boundary={_BOUNDARY}".encode()


def part(disposition: bytes, content: bytes, headers: Sequence[bytes] = ()) -> bytes:
    """Return one part of a form: its disposition, its content, further header lines."""
    head = b"\r\n".join((b"content-disposition: " + disposition, *headers))
    return head + b"\r\n\r\n" + content


def form(*parts: bytes) -> bytes:
    """Return a form of parts."""
    mark = f"--{_BOUNDARY}".encode()
    return b"".join(mark + b"\r\n" + each + b"\r\n" for each in parts) + mark + b"--\r\n"


def file_part(name: bytes = b"f.jsonl", content: bytes = b"{}") -> bytes:
    """Return the part of the file."""
    return part(b'form-data; name="file"; filename="' + name + b'"', content)


PURPOSE = part(b'form-data; name="purpose"', b"evals")
