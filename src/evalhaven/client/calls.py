"""What each method sends, and what its answer is; both clients send it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypedDict, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from evalhaven.client.errors import UnexpectedAnswerError, error_of
from evalhaven.client.rows import parsed_row
from evalhaven.wire.comparisons import Change, ComparedItem, Comparison, PinnedRun
from evalhaven.wire.gates import GatePolicy, GateResult
from evalhaven.wire.overviews import EvalVersionList, RunOverviewList
from evalhaven.wire.plans import EvalPlan
from evalhaven.wire.reports import RunReport
from evalhaven.wire.run_events import RunProgress
from evalhaven.wire.runs import EvalRunStatus
from evalhaven.wire.runs_by_id import EvalRunById

M = TypeVar("M", bound=BaseModel)
ExportFormat = Literal["jsonl", "csv", "parquet"]
Order = Literal["asc", "desc"]

_REDIRECTS, _REFUSALS = 300, 400


class HasId(Protocol):
    """An object of the SDK, or of this client, that stands for an eval or a run."""

    @property
    def id(self) -> str:
        """Return its id."""
        ...


Named = str | HasId
"""An eval or a run, by its id or as an object."""

Texts = str | Sequence[str]
"""A text, or several."""


class ItemFilter(TypedDict, total=False):
    """Which items of a run are wanted, and in which order; `GET /api/runs/{run_id}/items` explains each."""

    status: Texts
    passed: Texts
    failed: Texts
    errored: Texts
    criterion: str
    least_score: float
    most_score: float
    least_latency: int
    most_latency: int
    least_tokens: int
    most_tokens: int
    error: Texts
    error_code: Texts
    group: Texts
    text: str
    sort: Literal["position", "score", "latency", "tokens"]
    order: Order


class ComparedFilter(TypedDict, total=False):
    """Which items of a comparison are wanted, and in which order; `GET /api/compare/items` explains each."""

    change: Change | Sequence[Change]
    criterion: str
    least_change: float
    most_change: float
    least_score: float
    most_score: float
    group: str
    text: str
    sort: Literal["position", "change"]
    order: Order


class RunFilter(TypedDict, total=False):
    """Which runs are wanted; `GET /api/runs` explains each."""

    eval: str
    versions: bool
    status: EvalRunStatus | Sequence[EvalRunStatus]
    model: str
    search: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent.

    Attributes:
        query: Parameters, each of which may come several times.
        body: JSON text; None for no body.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Call(Generic[M]):
    """A request that is answered by one object."""

    request: Request
    model: type[M]

    def read(self, status: int, content: bytes) -> M:
        """Return the object of an answer.

        Raises:
            AnswerError: It is an error.
            UnexpectedAnswerError: It is nothing that this client knows.
        """
        return read_model(self.model, read_object(status, content))


def read_object(status: int, content: bytes) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises:
        AnswerError: It is an error.
        UnexpectedAnswerError: It is no JSON object.
    """
    try:
        found: object = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or _REDIRECTS <= status < _REFUSALS:
        raise UnexpectedAnswerError(f"What answers there is not Evalhaven (status {status}).")
    document = cast("dict[str, Any]", found)
    if status >= _REFUSALS:
        told = document.get("error")
        raise error_of(status, cast("dict[str, object]", told) if isinstance(told, dict) else {})
    return document


def read_model(model: type[M], document: object) -> M:
    """Return an object of an answer.

    Raises:
        UnexpectedAnswerError: It lacks what this client needs.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise UnexpectedAnswerError(
            f"The answer is not what this client knows as {model.__name__} ({where}: {first['msg']}). Client and "
            "server may be of different releases: install the server's."
        ) from error


def run(named: Named) -> Call[EvalRunById]:
    """Return the call for a run, without its rows."""
    return Call(Request("GET", _of_run(named), [("rows", "false")]), EvalRunById)


def runs(which: RunFilter, after: str | None) -> Call[RunOverviewList]:
    """Return the call for a page of runs."""
    return Call(Request("GET", "/api/runs", _query({**which, "limit": 100, "after": after})), RunOverviewList)


def versions(named: Named) -> Call[EvalVersionList]:
    """Return the call for the versions of an eval."""
    return Call(Request("GET", f"{_of_eval(named)}/versions"), EvalVersionList)


def plan(named: Named, question: Mapping[str, object]) -> Call[EvalPlan]:
    """Return the call for the plan of an eval."""
    return Call(Request("GET", f"{_of_eval(named)}/plan", _query(question)), EvalPlan)


def report(named: Named, question: Mapping[str, object]) -> Call[RunReport]:
    """Return the call for the report of a run."""
    return Call(Request("GET", f"{_of_run(named)}/report", _query(question)), RunReport)


def compare(named: Sequence[Named], base: Named | None, how: Mapping[str, object]) -> Call[Comparison]:
    """Return the call for the comparison of runs with a baseline."""
    query = _query({"runs": [id_of(each) for each in named], "base": None if base is None else id_of(base), **how})
    return Call(Request("GET", "/api/compare", query), Comparison)


def compared_items(named: Named, base: Named | None, key: Texts | None, which: ComparedFilter) -> Request:
    """Return the request for the items of a comparison, a `ComparedItem` a line."""
    of_runs = {"run": id_of(named), "base": None if base is None else id_of(base), "key": key}
    return Request("GET", "/api/compare/export", _query({**of_runs, **which}))


def gate(named: Named, policy: GatePolicy | Mapping[str, object], baseline: Named) -> Call[GateResult]:
    """Return the call that decides whether a run passes."""
    body = _text(policy.model_dump(exclude_unset=True) if isinstance(policy, GatePolicy) else policy)
    query = [("baseline", id_of(baseline))]
    return Call(Request("POST", f"{_of_run(named)}/gate", query, body, _JSON), GateResult)


def pin(named: Named) -> Call[PinnedRun]:
    """Return the call that pins a run."""
    return Call(Request("POST", f"{_of_run(named)}/pin"), PinnedRun)


def unpin(named: Named) -> Call[PinnedRun]:
    """Return the call that unpins a run."""
    return Call(Request("DELETE", f"{_of_run(named)}/pin"), PinnedRun)


def retry(named: Named, body: Mapping[str, object]) -> Call[EvalRunById]:
    """Return the call that executes again what has no result in a run."""
    return Call(Request("POST", f"{_of_run(named)}/retry", (), _text(_given(body)), _JSON), EvalRunById)


def regrade(
    named: Named, body: Mapping[str, object], idempotency_key: str | None, *, strict: bool
) -> Call[EvalRunById]:
    """Return the call that grades the samples of a run anew."""
    headers = _JSON if idempotency_key is None else {**_JSON, "Idempotency-Key": idempotency_key}
    query = _query({"strict": strict})
    return Call(Request("POST", f"{_of_run(named)}/regrade", query, _text(_given(body)), headers), EvalRunById)


def export(named: Named, form: ExportFormat, columns: Texts | None, which: ItemFilter) -> Request:
    """Return the request for the items of a run as a file."""
    return Request("GET", f"{_of_run(named)}/export", _query({"format": form, "columns": columns, **which}))


def format_of(path: Path) -> ExportFormat:
    """Return the format that the end of a file's name says; JSON lines if it says none."""
    ends: dict[str, ExportFormat] = {".csv": "csv", ".parquet": "parquet"}
    return ends.get(path.suffix.lower(), "jsonl")


def watch(named: Named) -> Request:
    """Return the request for the events of a run."""
    return Request("GET", "/api/events", [("runs", id_of(named))])


def compared_item(line: str) -> ComparedItem:
    """Return the item of a line of `compared_items`."""
    return read_model(ComparedItem, parsed_row(line))


def progress(data: str) -> RunProgress:
    """Return what an event of `watch` tells."""
    return read_model(RunProgress, parsed_row(data))


def id_of(named: Named) -> str:
    """Return the id of an eval or a run."""
    return named if isinstance(named, str) else named.id


_JSON = {"content-type": "application/json"}


def _of_run(named: Named) -> str:
    return f"/api/runs/{quote(id_of(named), safe='')}"


def _of_eval(named: Named) -> str:
    return f"/api/evals/{quote(id_of(named), safe='')}"


def _query(given: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return parameters of a query; None is left out, and each of several values is named on its own."""
    pairs: list[tuple[str, str]] = []
    for name, value in given.items():
        if value is None:
            continue
        values = cast("Iterable[object]", value) if isinstance(value, list | tuple | set) else [value]
        pairs += [(name, str(each).lower() if isinstance(each, bool) else str(each)) for each in values]
    return pairs


def _given(body: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if value is not None}


def _text(body: Mapping[str, object]) -> str:
    return json.dumps(body, allow_nan=False)
