"""What every server under attack has in common: the facts that each of its answers has to meet."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NoReturn

import httpx2

from tests.contract.document import AnswerChecker
from tests.hostile.addresses import Headers
from tests.hostile.operations import JSON, Operation
from tests.server import Server
from tests.sizes import SIZES

SIGNS_OF_FAILURE = ("Traceback", "request_failed_unexpectedly", "run_failed_unexpectedly", "executor_died")
TIMEOUT_S = 30.0
EVENTS = "text/event-stream"


class Attacked(ABC):
    """Sends requests to one server and checks what every answer must be.

    Attributes:
        operations: What is attacked, by id.
        requests: How many of each kind of hostile input each of them is sent.
        bodies: Valid bodies of those that take JSON, by id.
        may_refuse: Those that may refuse a valid request.
        open_paths: Those that find something by any name.
    """

    requests: int = SIZES.hostile_requests
    operations: Mapping[str, Operation]
    bodies: Mapping[str, list[dict[str, Any]]]
    may_refuse: frozenset[str] = frozenset()
    open_paths: frozenset[str] = frozenset()

    def __init__(self, server: Server, client: httpx2.Client) -> None:
        self.server = server
        self._client = client
        self._state: object = None

    @abstractmethod
    def ids(self, operation: Operation) -> dict[str, str]:
        """Return path parameters that name existing objects, made for the purpose where the operation destroys."""

    @abstractmethod
    def body(self, operation: Operation, number: int = 0) -> tuple[bytes, Headers]:
        """Return a valid body of an operation with the header that declares it."""

    @abstractmethod
    def settle(self, operation: Operation, answer: httpx2.Response, content: bytes | None = None) -> None:
        """Read back what an accepted request made, and take it away again.

        Args:
            operation: What was accepted.
            answer: Its answer.
            content: What an uploaded file must hold; None where it is not known.
        """

    @abstractmethod
    def _look(self) -> object:
        """Return what a refused request must not change."""

    @abstractmethod
    def _checker_of(self, operation: Operation) -> AnswerChecker:
        """Return what knows the document of an operation."""

    def send(
        self, operation: Operation, target: bytes, headers: Headers | None = None, content: bytes = b""
    ) -> httpx2.Response:
        """Send a request, whatever is in it, and check the answer against the facts.

        Args:
            operation: What it is meant for.
            target: Path and query as they go over the wire.
            headers: Header fields beyond those of the client.
            content: The body.
        """
        answer = self._client.request(
            operation.method, "/", headers=headers, content=content or None, extensions={"target": target}
        )
        self._check(operation, answer, target)
        return answer

    def assert_unchanged(self) -> None:
        """Fail when the lists or the run that stays are not as they were; the first look after a change is the measure.

        What accepted requests made is gone again by now.
        """
        now = self._look()
        assert self._state in {None, now}, "a refused request changed something"
        self._state = now

    def assert_well(self) -> None:
        """Fail if the server is no longer the same process, or if its log reports a failure."""
        assert self.server.process.poll() is None, "the server lived through it"
        assert self._client.get("/readyz").status_code == 200
        for sign in SIGNS_OF_FAILURE:
            assert sign not in self.server.log, sign

    def _check(self, operation: Operation, answer: httpx2.Response, target: bytes) -> None:
        said = f"{operation.method} {target[:200]!r}: {answer.status_code} {answer.text[:500]}"
        status = answer.status_code
        # An id with a slash in it is another path, which may be one of other methods.
        is_other_path = status == 405 and b"%2f" in target.lower()
        is_documented = str(status) in operation.answers or (status >= 400 and "default" in operation.answers)
        assert is_documented or is_other_path, said
        assert status < 500, said
        assert answer.headers["x-request-id"].startswith("req_"), said
        if status < 400 and operation.downloads:
            return
        if status < 400 and answer.headers["content-type"].startswith(EVENTS):
            assert EVENTS in operation.answers[str(status)]["content"], said
            return
        assert answer.headers["content-type"] == JSON, said
        found = strict_json(answer.content)
        if status >= 400:
            assert_envelope(found, said, "requests" if status == 429 else "invalid_request_error")
            return
        schema = operation.answers[str(status)]["content"][JSON]["schema"]
        assert self._checker_of(operation).problems_of_answer(schema, found) == [], said


def assert_envelope(found: Any, said: str, kind: str = "invalid_request_error") -> None:
    """Fail unless a value is an error as every refusal must be."""
    assert list(found) == ["error"], said
    error = found["error"]
    assert set(error) == {"message", "type", "param", "code"}, said
    assert error["type"] == kind, said
    assert isinstance(error["message"], str), said
    assert error["message"], said
    assert len(error["message"]) <= 10_000, "an error quotes what was sent, but not the whole of it"
    assert isinstance(error["param"], str | None), said
    assert len(error["param"] or "") <= 1_100, said
    assert isinstance(error["code"], str | None), said


def strict_json(raw: bytes) -> Any:
    """Return the value of an answer, which must be strict JSON in UTF-8."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"the answer holds {constant}")

    return json.loads(raw.decode("utf-8"), parse_constant=refuse)
