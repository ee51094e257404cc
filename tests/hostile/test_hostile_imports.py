"""Imported objects such as no server sends: what is taken in can be read, listed and deleted.

The import's routes are not part of the contract's document, so they are named here.
"""

import itertools
import json
from typing import Any

import httpx2
import pytest
from hypothesis import strategies as st

from tests.hostile.attacked import strict_json
from tests.hostile.examples import for_examples
from tests.hostile.mutations import any_json, mutated, spoiled
from tests.hostile.operations import JSON, Operation
from tests.hostile.target import Target
from tests.sizes import SIZES

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(3600)]

_ERROR = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}}
_OUTCOME = {
    "type": "object",
    "properties": {
        "created": {"type": "integer", "minimum": 0},
        "unchanged": {"type": "integer", "minimum": 0},
        "refused": {"type": "array", "items": {"type": "object", "required": ["id", "reason"]}},
    },
    "required": ["created", "unchanged", "refused"],
}
_ANSWERS = {"200": {"content": {JSON: {"schema": _OUTCOME}}}, **dict.fromkeys(("400", "404", "413"), _ERROR)}
_NEW = "imported"  # in every id; each example makes it its own, for what was deleted here cannot be imported again
_NUMBERS = itertools.count()


class _Origin:
    """Documents as a server answers them, to be imported under other ids, and where each kind goes."""

    def __init__(self, target: Target, client: httpx2.Client) -> None:
        self.target = target
        self.client = client
        self._number = next(_NUMBERS)
        eval_path = f"/v1/evals/{target.eval_id}"
        run_path = f"{eval_path}/runs/{target.run_id}"
        kinds = {target.eval_id: "eval", target.run_id: "evalrun", target.item_id: "outputitem"}
        texts = [client.get(path).text for path in (eval_path, run_path, f"{run_path}/output_items/{target.item_id}")]
        for old, kind in kinds.items():
            texts = [text.replace(old, f"{kind}_{_NEW}") for text in texts]
        self.documents: list[dict[str, Any]] = [json.loads(text) for text in texts]
        evals = "/api/import/evals"
        self.paths = (evals, f"{evals}/eval_{_NEW}/runs", f"{evals}/eval_{_NEW}/runs/evalrun_{_NEW}/output_items")

    def send(self, level: int, body: bytes, query: bytes = b"origin=o") -> httpx2.Response:
        """Send the lines of a body to where evals (0), runs (1) or output items (2) are imported."""
        new = f"{_NEW}{self._number}"
        path = self.paths[level].replace(_NEW, new)
        operation = Operation(f"import {level}", "POST", path, (), ("origin", "check"), JSON, _ANSWERS)
        content = body.replace(_NEW.encode(), new.encode())
        return self.target.send(operation, path.encode() + b"?" + query, content=content)

    def prepare(self, level: int) -> None:
        """Import the valid parents of what is going to be imported, under new ids."""
        self._number = next(_NUMBERS)
        for each in range(level):
            assert self.send(each, json.dumps(self.documents[each]).encode()).json()["created"] == 1

    def clean(self) -> None:
        """Read every object that came in, and delete it with its eval."""
        evals = [each["id"] for each in self._list("/v1/evals?limit=1000") if each["id"] != self.target.eval_id]
        for eval_id in evals:
            for run in self._list(f"/v1/evals/{eval_id}/runs?limit=1000"):
                items = f"/v1/evals/{eval_id}/runs/{run['id']}/output_items"
                for item in self._list(f"{items}?limit=1000"):
                    assert self.client.get(f"{items}/{item['id']}").status_code == 200
            assert self.client.delete(f"/v1/evals/{eval_id}").status_code == 200
        self.target.assert_unchanged()

    def _list(self, path: str) -> list[dict[str, Any]]:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return strict_json(answer.content)["data"]


@pytest.mark.parametrize("level", [0, 1, 2], ids=["evals", "runs", "output items"])
def test_an_imported_object_is_refused_or_can_be_read_and_deleted(
    target: Target, shared_client: httpx2.Client, level: int
) -> None:
    origin = _Origin(target, shared_client)
    document = origin.documents[level]
    bodies = mutated([document]) | mutated([document]) | spoiled([document]) | any_json()
    checks = st.sampled_from([b"origin=o", b"origin=o", b"origin=o&check=true"])

    def take_in(example: tuple[bytes, bytes]) -> None:
        body, query = example
        origin.prepare(level)
        origin.send(level, body, query)
        # Also when nothing was taken in: the parents are to be deleted.
        origin.clean()

    for_examples(st.tuples(bodies, checks), take_in, 2 * SIZES.hostile_requests)


def test_an_import_with_any_query_is_taken_in_or_refused(target: Target, shared_client: httpx2.Client) -> None:
    origin = _Origin(target, shared_client)
    queries = st.lists(
        st.sampled_from(
            [
                b"origin=",
                b"origin=%00",
                b"origin=%ED%A0%80",
                b"origin=" + b"x" * 501,
                b"check=perhaps",
                b"check=1",
                b"x",
            ]
        ),
        max_size=3,
    ).map(b"&".join)
    body = json.dumps(origin.documents[0]).encode()

    def take_in(query: bytes) -> None:
        origin.prepare(0)
        origin.send(0, body, query)
        origin.clean()

    for_examples(queries, take_in)
