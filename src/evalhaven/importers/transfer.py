"""The transfer: sends everything of a source to a server's import endpoints, in an order that a kill cannot harm.

An eval goes before its runs and a run before its items; what is already there is left alone. So a transfer that was
cut short can be repeated from the start, and ends with the same objects.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx2

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.wording import counted
from evalhaven.importers.documents import ImportRefusedError, parse_object, shown_id
from evalhaven.importers.failures import failure_text
from evalhaven.importers.recovery import FileReader, recovered_file
from evalhaven.importers.source import ImportSource, SourceFile
from evalhaven.wire.errors import ErrorResponse
from evalhaven.wire.imports import ImportOutcome, ImportRefusal

KINDS = ("files", "evals", "runs", "output_items")
_BATCH_OBJECTS = 500
_BATCH_BYTES = 8 * 1024 * 1024
_KEPT_MESSAGES = 1000
_NOT_FOUND = 404
_BODY_TOO_LARGE = 413
_TOO_LARGE = "it is larger than the server accepts at once: raise {} there"


class TransferError(Exception):
    """The server refused what it was sent; the message is its answer."""


@dataclass(slots=True)
class KindReport:
    """What came of the objects of one kind."""

    created: int = 0
    unchanged: int = 0
    refused: int = 0

    @property
    def here(self) -> int:
        """Return how many are on the server now."""
        return self.created + self.unchanged


@dataclass(slots=True)
class TransferReport:
    """What came over and what did not.

    Attributes:
        kinds: Counts of `files`, `evals`, `runs` and `output_items`.
        refusals: Kind, id and reason of what cannot come over; the first thousand.
        recovered: Ids of files missing from the source that were rebuilt from output items; in a check, that would be.
        notes: What came over and is worth a look; the first thousand.
    """

    kinds: dict[str, KindReport] = field(default_factory=lambda: {kind: KindReport() for kind in KINDS})
    refusals: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    recovered: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])

    @property
    def is_complete(self) -> bool:
        """Tell whether everything came over."""
        return not any(counts.refused for counts in self.kinds.values())

    def add(self, kind: str, outcome: ImportOutcome) -> None:
        """Count a server's answer to a batch."""
        counts = self.kinds[kind]
        counts.created += outcome.created
        counts.unchanged += outcome.unchanged
        counts.refused += len(outcome.refused)
        room = _KEPT_MESSAGES - len(self.refusals)
        self.refusals += [(kind, each.id, each.reason) for each in outcome.refused[:room]]

    def note(self, text: str) -> None:
        """Keep a note."""
        if len(self.notes) < _KEPT_MESSAGES:
            self.notes.append(text)


class Transfer:
    """Sends a source to a server."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        source: ImportSource,
        *,
        is_check: bool,
        on_progress: Callable[[TransferReport], None],
    ) -> None:
        self._client = client
        self._source = source
        self._parameters = {"origin": source.origin[:500], "check": str(is_check).lower()}
        self._on_progress = on_progress
        self._report = TransferReport()
        self._present: set[str] = set()  # files of the source or of the server
        self._readers: dict[str, FileReader] = {}  # for each other file, the run that has the most of its rows

    async def send_all(self) -> TransferReport:
        """Send everything and return what came of it.

        Raises:
            TransferError: The server refused a whole batch, or is not there.
            SourceError: The source cannot be read completely.
        """
        for file in self._source.files():
            self._present.add(_id_of(file.document))
            await self._send_file(file)
        async for eval_id, _ in self._batched("evals", "evals", self._source.evals()):
            await self._send_runs(eval_id)
        for reader in self._readers.values():
            record = _parsed(self._source.file_record(reader.file_id) or b"{}")
            with recovered_file(reader, self._source.output_items(reader.run_id), record) as file:
                if file is not None and await self._send_file(file):
                    self._report.recovered.append(reader.file_id)
        return self._report

    async def _send_runs(self, eval_id: str) -> None:
        path = f"evals/{eval_id}/runs"
        async for run_id, document in self._batched("runs", path, self._source.runs(eval_id)):
            items = 0
            async for _ in self._batched("output_items", f"{path}/{run_id}/output_items", self._items(run_id)):
                items += 1
            self._compare(run_id, document, items)
            await self._remember_reader(document, items)

    def _items(self, run_id: str) -> Iterator[bytes]:
        return self._source.output_items(run_id)

    def _compare(self, run_id: str, document: JsonObject, items: int) -> None:
        counts = document.get("result_counts")
        total = counts.get("total") if isinstance(counts, dict) else None
        if isinstance(total, int) and total != items:
            self._report.note(f"run {run_id} counts {counted(total, 'output item')}, and {items:,} of them came over")

    async def _remember_reader(self, document: JsonObject, items: int) -> None:
        """Keep a run to rebuild its file from, if neither the source nor the server has the file."""
        reader = FileReader.of_run(document, items)
        if reader is None or reader.file_id in self._present:
            return
        known = self._readers.get(reader.file_id)
        if known is None:
            answer = await self._request("GET", f"/v1/files/{quote(reader.file_id, safe='')}")
            if answer.is_error and answer.status_code != _NOT_FOUND:
                raise TransferError(_message_of(answer))
            if answer.status_code != _NOT_FOUND:
                self._present.add(reader.file_id)
                return
        if known is None or items > known.item_count:
            self._readers[reader.file_id] = reader

    async def _send_file(self, file: SourceFile) -> bool:
        """Send a file; return whether it came over and is new there."""
        with file.content.open("rb") as content:
            answer = await self._request(
                "POST",
                "/api/import/files",
                params=self._parameters,
                data={"document": file.document.decode()},
                files={"file": (file.content.name, content)},
            )
        if answer.status_code == _BODY_TOO_LARGE:
            self._refuse("files", _id_of(file.document), _TOO_LARGE.format("EVALHAVEN_MAX_FILE_MB"))
            return False
        return self._take("files", answer).created > 0

    async def _batched(
        self, kind: str, path: str, documents: Iterator[bytes]
    ) -> AsyncGenerator[tuple[str, JsonObject]]:
        """Send documents in batches; once a batch is there, yield each document that was not refused, with its id.

        Output items are yielded as {}, without parsing: the caller only counts them.
        """
        batch: list[bytes] = []
        size = 0
        for document in documents:
            batch.append(document)
            size += len(document)
            if len(batch) == _BATCH_OBJECTS or size > _BATCH_BYTES:
                async for each in self._send_batch(kind, path, batch):
                    yield each
                batch, size = [], 0
        if batch:
            async for each in self._send_batch(kind, path, batch):
                yield each

    async def _send_batch(self, kind: str, path: str, batch: list[bytes]) -> AsyncGenerator[tuple[str, JsonObject]]:
        content = b"\n".join(map(_one_line, batch))
        answer = await self._request("POST", f"/api/import/{path}", params=self._parameters, content=content)
        if answer.status_code == _BODY_TOO_LARGE:
            if len(batch) == 1:
                self._refuse(kind, _id_of(batch[0]), _TOO_LARGE.format("EVALHAVEN_MAX_BODY_MB"))
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                async for each in self._send_batch(kind, path, half):
                    yield each
            return
        taken = self._take(kind, answer)
        if kind == "output_items":
            for _ in range(taken.created + taken.unchanged):
                yield "", {}
            return
        refused = {each.id for each in taken.refused}
        for raw in batch:
            document = _parsed(raw)
            if document and (public_id := shown_id(document)) not in refused:
                yield public_id, document

    def _refuse(self, kind: str, public_id: str, reason: str) -> None:
        refusal = ImportRefusal(id=public_id, reason=reason)
        self._report.add(kind, ImportOutcome(created=0, unchanged=0, refused=[refusal]))

    def _take(self, kind: str, answer: httpx2.Response) -> ImportOutcome:
        if answer.is_error:
            raise TransferError(_message_of(answer))
        try:
            # pydantic's own parser would refuse lone surrogates, which ids may hold.
            outcome = ImportOutcome.model_validate(answer.json())
        except ValueError as error:
            kind = answer.headers.get("content-type", "without a type")
            raise TransferError(
                f"{self._client.base_url} is not an Evalhaven server: it answers {answer.status_code}, {kind}."
            ) from error
        self._report.add(kind, outcome)
        self._on_progress(self._report)
        return outcome

    async def _request(self, method: str, path: str, **more: Any) -> httpx2.Response:
        try:
            return await self._client.request(method, path, **more)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = failure_text(error)
            raise TransferError(f"The server at {self._client.base_url} does not answer: {reason}.") from error


def _one_line(document: bytes) -> bytes:
    # A raw line break in JSON is white space between tokens.
    return document.replace(b"\r", b" ").replace(b"\n", b" ")


def _parsed(raw: bytes) -> JsonObject:
    """Return a document; {} if it is not one (the server has then refused it)."""
    try:
        return parse_object(raw)
    except ImportRefusedError:
        return {}


def _id_of(raw: bytes) -> str:
    return shown_id(_parsed(raw))


def _message_of(answer: httpx2.Response) -> str:
    try:
        error = ErrorResponse.model_validate(answer.json()).error
    except ValueError:
        return f"status {answer.status_code}: {answer.text[:200]}"
    return f"{error.message} (status {answer.status_code}, request {answer.headers.get('x-request-id')})"
