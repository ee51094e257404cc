"""The client of programs that wait for each answer.

Made from `asynchronous.py` by `python -m tests.client.blocking --write`: edit that one.
"""

import csv
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import httpx2
from pydantic import BaseModel

from evalhaven.client import calls
from evalhaven.client.calls import Call, ComparedFilter, ItemFilter, Named, Request, RunFilter, Texts
from evalhaven.client.errors import NotReadyError, RunDeletedError, ServerFailedError, UnreachableError
from evalhaven.client.frames import PART_ROWS, FrameLibrary, FrameMaker, Pandas, Polars
from evalhaven.client.places import place_of
from evalhaven.client.rows import parsed_row, partial_path
from evalhaven.client.waiting import EventReader, Patience
from evalhaven.wire.comparisons import ComparedItem, Comparison, PinnedRun
from evalhaven.wire.gates import GatePolicy, GateResult
from evalhaven.wire.overviews import EvalVersionList, RunOverview
from evalhaven.wire.plans import EvalPlan
from evalhaven.wire.reports import RunReport
from evalhaven.wire.run_events import RunProgress
from evalhaven.wire.runs_by_id import EvalRunById

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


class Client:
    """Asks one server what the official SDK has no words for; usable as a context manager.

    Evals and runs are named by their ids, or by the objects that the SDK returns. Each method raises an AnswerError if
    the server refuses, and an UnreachableError if it does not answer. What the server still prepares, as after the end
    of a large run, is waited for.
    """

    def __init__(self, base_url: str | None = None, api_key: str | None = None, *, patience_s: float = 300.0) -> None:
        """Name the server.

        Args:
            base_url: Its address, with or without `/v1`; None takes EVALHAVEN_URL, else OPENAI_BASE_URL.
            api_key: Its key; None takes EVALHAVEN_API_KEY, or with OPENAI_BASE_URL OPENAI_API_KEY.
            patience_s: For how many seconds to wait for what the server still prepares, and for a lost server while a
                run is watched.

        Raises:
            ClientError: Nothing says where the server is.
        """
        self._http = place_of(base_url, api_key).open_client()
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        """Return the client, which is closed in the end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._http.close()

    def run(self, run: Named) -> EvalRunById:
        """Return a run, without the rows it was created with."""
        return self._send(calls.run(run))

    def runs(self, **which: Unpack[RunFilter]) -> Iterator[RunOverview]:
        """Yield runs with their figures: those under way first, then the others, the newest first.

        Args:
            which: Filters, such as `eval`, `versions=True` for those of the evals that it follows, or `status`.
        """
        after: str | None = None
        while True:
            page = self._send(calls.runs(which, after))
            yield from page.data
            after = page.next
            if after is None:
                return

    def versions(self, eval: Named) -> EvalVersionList:  # noqa: A002 - what it is
        """Return an eval with those that it follows, and what each of them changed."""
        return self._send(calls.versions(eval))

    def report(
        self,
        run: Named,
        *,
        by: Texts | None = None,
        k: int | Sequence[int] | None = None,
        criterion: str | None = None,
        reference: str | None = None,
    ) -> RunReport:
        """Return what the items of a run add up to: rates with intervals, scores, errors, latencies and cost.

        Args:
            run: The run.
            by: Fields to break it down by.
            k: Numbers of samples for pass@k and pass^k.
            criterion: The criterion whose labels are compared with `reference`.
            reference: The field that holds the right labels.
        """
        return self._send(calls.report(run, {"by": by, "k": k, "criterion": criterion, "reference": reference}))

    def compare(
        self,
        *runs: Named,
        base: Named | None = None,
        key: Texts | None = None,
        margin: float | None = None,
        cluster: str | None = None,
    ) -> Comparison:
        """Return how runs differ from a baseline, item by item.

        Args:
            runs: The runs.
            base: The baseline; None takes the pinned run, else the most comparable earlier one.
            key: Fields that name an item, instead of its whole content.
            margin: How much worse a run may be: 0.02 is two points.
            cluster: Field whose values make groups of items that are not independent.
        """
        return self._send(calls.compare(runs, base, {"key": key, "margin": margin, "cluster": cluster}))

    def compared_items(
        self, run: Named, *, base: Named | None = None, key: Texts | None = None, **which: Unpack[ComparedFilter]
    ) -> Iterator[ComparedItem]:
        """Yield the items of a comparison as they come, each with both answers and what happened to it.

        Args:
            run: The run.
            base: The baseline; None takes the pinned run, else the most comparable earlier one.
            key: Fields that name an item, instead of its whole content.
            which: Filters and order, such as `change="regressed"` or `sort="change"`.
        """
        for line in self.read_lines(calls.compared_items(run, base, key, which)):
            yield calls.compared_item(line)

    def gate(self, run: Named, policy: GatePolicy | Mapping[str, object], *, baseline: Named = "auto") -> GateResult:
        """Return whether a run passes.

        Args:
            run: The run.
            policy: What it has to achieve, such as `{"margin": 0.02}`.
            baseline: A run, `pinned`, `none`, or `auto` for the pinned one, else the most comparable earlier one.
        """
        return self._send(calls.gate(run, policy, baseline))

    def plan(
        self,
        eval: Named,  # noqa: A002 - what it is
        *,
        difference: float | None = None,
        margin: float | None = None,
        threshold: float | None = None,
        criteria: int | None = None,
        key: Texts | None = None,
    ) -> EvalPlan:
        """Return how many items a question about an eval needs.

        Args:
            eval: The eval.
            difference: Difference of the rates that is to be seen.
            margin: How much worse a run may be.
            threshold: Share of items that has to pass.
            criteria: How many criteria have to pass together.
            key: Fields that name an item, instead of its whole content.
        """
        question = {
            "difference": difference,
            "margin": margin,
            "threshold": threshold,
            "criteria": criteria,
            "key": key,
        }
        return self._send(calls.plan(eval, question))

    def pin(self, run: Named) -> PinnedRun:
        """Pin a run: later runs of its eval are compared with it unless another one is named."""
        return self._send(calls.pin(run))

    def unpin(self, run: Named) -> PinnedRun:
        """Unpin a run; nothing changes if it is not pinned."""
        return self._send(calls.unpin(run))

    def retry(
        self,
        run: Named,
        *,
        errors: Sequence[str] | None = None,
        items: Sequence[str] | None = None,
        tools: Sequence[object] | None = None,
        budget: Mapping[str, float] | None = None,
    ) -> EvalRunById:
        """Execute again what has no result in a finished run, and return the run.

        Args:
            run: The run.
            errors: Messages of errors: only items with one of these.
            items: Ids of output items that erred: only these.
            tools: The run's tools with what authenticates them, which is erased when a run ends.
            budget: What the run may spend from now on in all, such as `{"cost": 5.0}`.
        """
        return self._send(calls.retry(run, {"errors": errors, "items": items, "tools": tools, "budget": budget}))

    def regrade(
        self,
        run: Named,
        *,
        testing_criteria: Sequence[Mapping[str, object]] | None = None,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        evalhaven: Mapping[str, object] | None = None,
        strict: bool = False,
        idempotency_key: str | None = None,
    ) -> EvalRunById:
        """Start a run that grades the samples of another one, and return it; no model is sampled.

        Args:
            run: The run that has the samples.
            testing_criteria: Criteria of the new run; None takes those of the eval.
            name: Its name.
            metadata: Its metadata.
            evalhaven: Its options, such as `{"labels": ["anew"]}`.
            strict: Whether criteria with warnings are refused.
            idempotency_key: Makes a repeated call return the run of the first one.
        """
        body = {"testing_criteria": testing_criteria, "name": name, "metadata": metadata, "evalhaven": evalhaven}
        return self._send(calls.regrade(run, body, idempotency_key, strict=strict))

    def items(self, run: Named, *, columns: Texts = "*", **which: Unpack[ItemFilter]) -> "Items":
        """Return the items of a run, which are asked for when they are read: as rows, or as a frame.

        Args:
            run: The run.
            columns: Names of columns; `*` stands for the usual ones.
            which: Filters and order, such as `status="fail"`, `failed="tone"`, `text="refund"` or `sort="score"`.
        """
        return Items(self, run, columns, which)

    def export(
        self,
        run: Named,
        path: str | Path,
        *,
        format: calls.ExportFormat | None = None,  # noqa: A002 - the name in the API
        columns: Texts | None = None,
        **which: Unpack[ItemFilter],
    ) -> Path:
        """Write the items of a run to a file, and return its path; no file is left half written.

        Args:
            run: The run.
            path: The file.
            format: `jsonl`, `csv` or `parquet`; None takes the end of the file's name.
            columns: Names of columns; `*` stands for the usual ones.
            which: Filters and order, as for `items`.
        """
        target = Path(path)
        request = calls.export(run, format or calls.format_of(target), columns, which)
        with partial_path(target) as part:
            with self._streamed(request) as answer, part.open("wb") as file:
                for content in answer.iter_bytes():
                    file.write(content)
            part.replace(target)
        return target

    def watch(self, run: Named) -> Iterator[RunProgress]:
        """Yield how a run stands, at once and then whenever something is new, until it has ended.

        A lost connection is made again.

        Raises:
            RunDeletedError: The run was deleted meanwhile.
        """
        patience = Patience(self._patience_s)
        while True:
            try:
                for name, progress in self._events(run):
                    patience.renew()
                    if progress.status == "deleted":
                        raise RunDeletedError(f"The run {calls.id_of(run)!r} was deleted.")
                    yield progress
                    if name == "end":
                        return
                lost: UnreachableError | ServerFailedError = UnreachableError("The server ended the stream of events.")
            except (UnreachableError, ServerFailedError) as error:
                lost = error
            pause_s = patience.next_pause_s()
            if pause_s is None:
                raise lost
            time.sleep(pause_s)

    def wait(self, run: Named) -> EvalRunById:
        """Return a run once it has ended, however it ended.

        Raises:
            RunDeletedError: The run was deleted meanwhile.
        """
        for _ in self.watch(run):
            pass
        return self.run(run)

    def _events(self, run: Named) -> Iterator[tuple[str, RunProgress]]:
        reader = EventReader()
        for line in self.read_lines(calls.watch(run)):
            if event := reader.take(line):
                yield event[0], calls.progress(event[1])

    def _send(self, call: Call[M]) -> M:
        def attempt() -> M:
            request = call.request
            try:
                answer = self._http.request(
                    request.method,
                    request.path,
                    params=[*request.query],
                    content=request.body,
                    headers={**request.headers},
                )
            except httpx2.HTTPError as error:
                raise _unreachable(error) from error
            return call.read(answer.status_code, answer.content)

        return self._when_ready(attempt)

    def read_lines(self, request: Request) -> Iterator[str]:
        """Yield the lines of an answer as they come."""
        with self._streamed(request) as answer:
            rest = b""
            for content in answer.iter_bytes():
                *lines, rest = (rest + content).split(b"\n")
                for line in lines:
                    yield line.decode()
            if rest:
                yield rest.decode()

    @contextmanager
    def _streamed(self, request: Request) -> Generator[httpx2.Response]:
        """Open an answer that is read as it comes; what breaks off is an UnreachableError."""

        def attempt() -> httpx2.Response:
            built = self._http.build_request(request.method, request.path, params=[*request.query])
            answer = self._http.send(built, stream=True)
            if not answer.is_success:
                try:
                    calls.read_object(answer.status_code, answer.read())
                finally:
                    answer.close()
            return answer

        try:
            answer = self._when_ready(attempt)
            try:
                yield answer
            finally:
                answer.close()
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error

    def _when_ready(self, attempt: Callable[[], T]) -> T:
        patience = Patience(self._patience_s)
        while True:
            try:
                return attempt()
            except NotReadyError:
                pause_s = patience.next_pause_s()
                if pause_s is None:
                    raise
            time.sleep(pause_s)


class Items:
    """Items of a run that are asked for when they are read; each reading asks anew."""

    def __init__(self, client: Client, run: Named, columns: Texts, which: ItemFilter) -> None:
        """Ask for nothing yet; `Client.items` makes them."""
        self._client = client
        self._run = run
        self._columns = columns
        self._which = which

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each item as an object of its columns, as it comes."""
        for line in self._client.read_lines(calls.export(self._run, "jsonl", self._columns, self._which)):
            yield parsed_row(line)

    def to_pandas(self) -> "pd.DataFrame":
        """Return a frame of pandas.

        Raises:
            MissingLibraryError: It is not installed.
        """
        return self._frame(Pandas())

    def to_polars(self) -> "pl.DataFrame":
        """Return a frame of polars.

        Raises:
            MissingLibraryError: It is not installed.
        """
        return self._frame(Polars())

    def _frame(self, library: FrameLibrary) -> Any:
        maker = FrameMaker(library)
        rows: list[dict[str, Any]] = []
        for row in self:
            rows.append(row)
            if len(rows) == PART_ROWS:
                maker.add(rows)
                rows = []
        maker.add(rows)
        return maker.finish() if maker.has_rows else library.frame(self._no_rows(library))

    def _no_rows(self, library: FrameLibrary) -> dict[str, Any]:
        """Return the columns without a value; the head of a table tells their names."""
        lines = self._client.read_lines(calls.export(self._run, "csv", self._columns, self._which))
        (names,) = csv.reader([*lines][:1])
        return {name: library.series("nothing", []) for name in names}


def _unreachable(error: httpx2.HTTPError) -> UnreachableError:
    return UnreachableError(f"The server does not answer, or broke off: {str(error) or type(error).__name__}.")
