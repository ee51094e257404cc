"""Requests made from the published document by Schemathesis, each answer checked against our own document."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from unittest import mock

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from schemathesis import Case, GenerationMode

from tests.contract.document import AnswerChecker
from tests.docs.deviations import Refusal
from tests.generated.objects import Json, KnownObjects

AnyCase = Case[Any]

# How many requests of each operation a round has: valid ones, and ones that break the document.
ROUND = {
    "listEvals": (20, 10),
    "createEval": (30, 10),
    "getEval": (20, 0),
    "updateEval": (20, 20),
    "deleteEval": (6, 0),
    "getEvalRuns": (20, 10),
    "createEvalRun": (70, 30),
    "getEvalRun": (30, 0),
    "cancelEvalRun": (12, 0),
    "deleteEvalRun": (10, 0),
    "getEvalRunOutputItems": (40, 10),
    "getEvalRunOutputItem": (30, 0),
    "listFiles": (20, 10),
    "createFile": (25, 15),
    "retrieveFile": (20, 0),
    "deleteFile": (10, 0),
    "downloadFile": (20, 0),
    "runGrader": (20, 10),
    "validateGrader": (20, 10),
    "listModels": (4, 0),
    "retrieveModel": (10, 0),
    "listChatCompletions": (20, 10),
    "getChatCompletion": (20, 0),
    "updateChatCompletion": (20, 20),
    "deleteChatCompletion": (6, 0),
    "getChatCompletionMessages": (20, 10),
    "getResponse": (20, 10),
    "deleteResponse": (6, 0),
    "cancelResponse": (10, 0),
    "listInputItems": (20, 10),
}
PASSED_ON = ("createChatCompletion", "createResponse", "createEmbedding")
"""What an endpoint answers as it likes; tests of the gateway have it."""
_KNOWN_OF_10 = 9
_END_TIMEOUT_S = 120.0
_EVAL: Json = {
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
    "testing_criteria": [
        {
            "type": "string_check",
            "name": "same",
            "input": "{{ sample.output_text }}",
            "reference": "{{ item.answer }}",
            "operation": "eq",
        }
    ],
}
_ROWS: list[Json] = [
    {"item": {"answer": "a"}, "sample": {"output_text": "a"}},
    {"item": {"answer": "a"}, "sample": {"output_text": "b"}},
    {"item": {"answer": 1.50, "more": [None, "\u0000"]}},
]
_LINES = "\n".join(json.dumps(row) for row in _ROWS)
_SETTINGS = settings(
    phases=[Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@dataclass
class Record:
    """What was sent and answered.

    Args:
        statuses: Number of answers by operation and status.
        valid: Number of valid requests to existing objects, by operation.
        accepted: Those of them that were accepted.
        refusals: Those that were refused, by the deviation that says why.
        duration_s: How long all of it took.
    """

    statuses: "Counter[tuple[str, int]]" = field(default_factory=Counter[tuple[str, int]])
    valid: "Counter[str]" = field(default_factory=Counter[str])
    accepted: "Counter[str]" = field(default_factory=Counter[str])
    refusals: "Counter[str]" = field(default_factory=Counter[str])
    duration_s: float = 0.0

    @property
    def sent(self) -> int:
        return self.statuses.total()

    def describe(self) -> str:
        """Return the figures in a line."""
        by_class = Counter({status // 100: 0 for _, status in self.statuses})
        for (_, status), number in self.statuses.items():
            by_class[status // 100] += number
        classes = ", ".join(f"{number:,} x {family}xx" for family, number in sorted(by_class.items()))
        rate = self.sent / self.duration_s if self.duration_s else 0
        return (
            f"{self.sent:,} generated requests in {self.duration_s:.0f} s ({rate:.0f}/s): {classes}; "
            f"{self.accepted.total():,} of {self.valid.total():,} valid ones to existing objects accepted, "
            f"{self.refusals.total():,} refused by {len(self.refusals)} listed deviations"
        )


class Traffic:
    """Sends generated requests to one server.

    Args:
        published: The published documents, of the operations that are to be called.
        document: The server's own document.
        base_url: Where the published paths begin.
        refusals: Which valid requests may be refused.
        key: What each request carries; None: no key.
    """

    def __init__(
        self, published: list[Json], document: Json, base_url: str, refusals: list[Refusal], key: str | None = None
    ) -> None:
        self.record = Record()
        self.known = KnownObjects()
        self._checker = AnswerChecker(document)
        self._answers = {
            operation["operationId"]: operation["responses"]
            for item in document["paths"].values()
            for operation in item.values()
        }
        self._refusals = refusals
        self._base_url = base_url
        self._session = requests.Session()
        if key is not None:
            self._session.headers["authorization"] = f"Bearer {key}"
        self.on_answer: Callable[[requests.Response], None] = lambda _answer: None
        self._strategies = [each for one in published for each in _strategies(one)]

    def run(self, number: int, first_seed: int, share: float = 1.0) -> None:
        """Send requests in rounds that go through all operations.

        Args:
            number: The fewest requests to send.
            first_seed: What every choice comes from.
            share: How much of a round is sent, of each operation at least one request.
        """
        begun = time.monotonic()
        rounds = 0
        with _only_the_seed():
            while self.record.sent < number:
                rounds += 1
                self.make_objects()
                for step, (strategy, count) in enumerate(self._strategies):
                    self._send_many(strategy, max(1, round(count * share)), first_seed + rounds * 1000 + step)
        self.record.duration_s += time.monotonic() - begun

    def make_objects(self) -> None:
        """Make an eval, a file, a run over each kind of rows, and logged calls, which stay until the next call."""
        eval_id = self._post("evals", json=_EVAL)["id"]
        file = self._post("files", data={"purpose": "evals"}, files={"file": ("rows.jsonl", _LINES)})
        sources = ({"type": "file_content", "content": _ROWS}, {"type": "file_id", "id": file["id"]})
        runs = [
            self._post(f"evals/{eval_id}/runs", json={"data_source": {"type": "jsonl", "source": source}})
            for source in sources
        ]
        asked = {"model": "scripted", "store": True, "messages": [{"role": "user", "content": "Hello"}] * 3}
        completions = [self._post("chat/completions", json={**asked, "metadata": {"n": str(n)}})["id"] for n in (1, 2)]
        responses = [self._post("responses", json={"model": "scripted", "input": "Hello"})["id"] for _ in range(2)]
        self.known.completions.extend(completions)
        self.known.responses.extend(responses)
        self.known.kept = {eval_id, file["id"], completions[0], responses[0], *(run["id"] for run in runs)}
        self.known.evals.append(eval_id)
        self.known.files.append(file["id"])
        for run in runs:
            self.known.runs.append((eval_id, run["id"]))
            items = self.wait_for_items(eval_id, run["id"])
            self.known.learn("getEvalRunOutputItems", {}, items)

    def wait_for_items(self, eval_id: str, run_id: str) -> Json:
        """Return the list of a run's output items once it has ended."""
        url = f"{self._base_url}/evals/{eval_id}/runs/{run_id}"
        deadline = time.monotonic() + _END_TIMEOUT_S
        while self._session.get(url, timeout=30).json()["status"] in ("queued", "in_progress"):
            assert time.monotonic() < deadline, f"{url} does not end"
            time.sleep(0.05)
        return self._session.get(f"{url}/output_items", timeout=30).json()

    def _post(self, path: str, **content: Any) -> Json:
        answer = self._session.post(f"{self._base_url}/{path}", timeout=30, **content)
        assert answer.ok, answer.text
        return answer.json()

    def send(self, case: AnyCase, choice: int) -> requests.Response:
        """Send one request, mostly to an existing object, and check the answer.

        Args:
            case: The request.
            choice: What chooses the object.
        """
        is_known = self._aim(case, choice)
        arguments: Json = case.as_transport_kwargs(base_url=self._base_url)
        answer = self._session.request(**arguments, timeout=30)
        self.on_answer(answer)
        operation = case.operation.definition.raw["operationId"]
        self.record.statuses[operation, answer.status_code] += 1
        try:
            self._check(operation, answer)
            if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE and is_known:
                self._check_accepted(operation, answer)
            if answer.ok and operation != "downloadFile":
                self.known.learn(operation, case.path_parameters, json.loads(answer.text))
        except AssertionError as error:
            error.add_note(f"{case.as_curl_command()}\n{answer.status_code} {answer.text[:2000]}")
            raise
        return answer

    def _send_many(self, strategy: st.SearchStrategy[AnyCase], count: int, own_seed: int) -> None:
        @seed(own_seed)
        @settings(_SETTINGS, max_examples=count)
        @given(case=strategy, choice=st.integers(0, 9_999))
        def send(case: AnyCase, choice: int) -> None:
            self.send(case, choice)

        send()

    def _aim(self, case: AnyCase, choice: int) -> bool:
        """Put ids of existing objects into most requests; return whether the request names existing ones only."""
        source = _file_source(case.body)
        if source is not None and self.known.files:
            source["id"] = self.known.files[choice // 7 % len(self.known.files)]
        names = set(case.path_parameters)
        if not names:
            return True
        if choice % 10 >= _KNOWN_OF_10:
            if self.known.gone:
                gone = self.known.gone[choice // 10 % len(self.known.gone)]
                case.path_parameters = {**case.path_parameters, sorted(names)[choice // 10 % len(names)]: gone}
            return False
        is_deletion = case.method.upper() == "DELETE"
        known = self.known.path_parameters(names, choice // 10, for_deletion=is_deletion)
        if known is not None:
            case.path_parameters = {**case.path_parameters, **known}
        return known is not None

    def _check(self, operation: str, answer: requests.Response) -> None:
        """Fail unless our document says that the operation answers like this."""
        assert answer.status_code < 500, "a failure of the server"
        documented = self._answers[operation].get(str(answer.status_code))
        assert documented is not None, "a status that the document lacks"
        ((kind, content),) = documented["content"].items()
        assert answer.headers["content-type"].partition(";")[0] == kind
        for header in ("x-request-id", "openai-processing-ms", "openai-version"):
            assert answer.headers.get(header), f"no {header}"
        assert ("x-should-retry" in answer.headers) != answer.ok
        if kind == "application/json":
            problems = self._checker.problems_of_answer(content["schema"], json.loads(answer.text))
            assert not problems, problems

    def _check_accepted(self, operation: str, answer: requests.Response) -> None:
        """Fail if a valid request to existing objects is refused and no deviation says so."""
        self.record.valid[operation] += 1
        if answer.ok:
            self.record.accepted[operation] += 1
            return
        error = answer.json()["error"]
        reasons = [each for each in self._refusals if each.covers(operation, answer.status_code, error)]
        assert reasons, "a valid request is refused, and no deviation says so"
        self.record.refusals[reasons[0].deviation] += 1


@contextlib.contextmanager
def _only_the_seed() -> Generator[None]:
    """Keep Hypothesis from using words of the modules that happen to be loaded: a seed would not repeat anything."""
    with (
        mock.patch.object(providers, "_get_local_constants", Constants),
        mock.patch.object(providers, "CONSTANTS_CACHE", type(providers.CONSTANTS_CACHE)(1024)),
    ):
        yield


def _file_source(body: Any) -> Json | None:
    """Return the source of a run's creation if it names a file."""
    source = body.get("data_source") if isinstance(body, dict) else None
    source = source.get("source") if isinstance(source, dict) else None
    names_one = isinstance(source, dict) and source.get("type") == "file_id" and isinstance(source.get("id"), str)
    return source if names_one else None


def _strategies(published: Json) -> Iterator[tuple[st.SearchStrategy[AnyCase], int]]:
    for found in schemathesis.openapi.from_dict(published).get_all_operations():
        operation = cast("Any", found).ok()
        # What manages access makes keys, and the first one would close the server to all other requests.
        if operation.definition.raw["operationId"] in PASSED_ON or operation.path.startswith("/organization/"):
            continue
        valid, broken = ROUND[operation.definition.raw["operationId"]]
        for mode, count in ((GenerationMode.POSITIVE, valid), (GenerationMode.NEGATIVE, broken)):
            if count:
                yield operation.as_strategy(generation_mode=mode), count


def without_unserved(published: Json, document: Json) -> Json:
    """Return a published document without the operations that ours lacks."""
    served = {
        path: {method: each for method, each in item.items() if method in document["paths"].get(f"/v1{path}", {})}
        for path, item in published["paths"].items()
    }
    return {**published, "paths": {path: item for path, item in served.items() if item}}
