"""Runs on the wire."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from io import BytesIO

from fastapi import Response
from starlette.responses import StreamingResponse

from evalhaven.api.rendering.extensions import origin_extension
from evalhaven.api.rendering.json_texts import JSON_TYPE, json_response, list_text
from evalhaven.api.rendering.parts import imported_document, shown_error, shown_warnings
from evalhaven.api.rendering.spending import per_model_usage, spending_extension
from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import DamagedFileError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.paging import PAGE_BYTES, Page
from evalhaven.domain.runs import Run, report_url
from evalhaven.domain.tallies import CriterionTally, Tally
from evalhaven.domain.wording import counted
from evalhaven.storage.blobs import BlobReader, BlobStore, json_array_blocks, length_of

_IN_MEMORY_BYTES = 1024 * 1024
_INLINE_ROWS = "/data_source/source/content"
_MARK = "\0"  # stands for inline rows until they are spliced in: no JSON text has it other than escaped


OpenRun = tuple[Run, BlobReader | None]


class RunRenderer:
    """Renders runs; inline rows are spliced in from the run's blob without being parsed."""

    def __init__(self, base_url: str, blobs: BlobStore) -> None:
        self._base_url = base_url
        self._blobs = blobs

    def run_response(self, run: Run, parent: Eval, status: int = 200) -> Response:
        """Return a run as a response."""
        return self._response([(run, self._open_rows(run))], parent, lambda texts: texts[0], status)

    def list_response(self, page: Page[Run], parent: Eval) -> Response:
        """Return a page of runs as a response; it ends early at 16 MB of inline rows."""
        opened, size_bytes = list[OpenRun](), 0
        for run in page.objects:
            rows = self._open_rows(run)
            size_bytes += 0 if rows is None else length_of(rows)
            opened.append((run, rows))
            if size_bytes > PAGE_BYTES:
                break
        has_more = page.has_more or len(opened) < len(page.objects)
        ids = [run.id for run, _ in opened]
        return self._response(opened, parent, lambda texts: list_text(texts, ids, has_more=has_more), 200)

    def _response(
        self, opened: Sequence[OpenRun], parent: Eval, join: Callable[[list[str]], str], status: int
    ) -> Response:
        text = join([self._run_text(run, parent, has_rows=rows is not None) for run, rows in opened])
        blobs = [rows for _, rows in opened if rows is not None]
        if not blobs:
            return json_response(text, status)
        blocks = _spliced(text, blobs)
        if all(isinstance(rows, BytesIO) for rows in blobs):
            return Response(b"".join(blocks), status, media_type=JSON_TYPE)
        return StreamingResponse(blocks, status, media_type=JSON_TYPE)

    def _open_rows(self, run: Run) -> BlobReader | None:
        """Open a run's inline rows before the response begins, so that a deletion meanwhile cannot cut it short.

        Returns None if it has none, or if they are gone or damaged.
        """
        if not run.has_inline_rows:
            return None
        try:
            blob = self._blobs.open_whole(run.scope, run.id, run.source_bytes)
        except (DamagedFileError, FileNotFoundError):
            return None
        if length_of(blob) > _IN_MEMORY_BYTES:
            return blob
        # A page may hold a thousand runs, more than the files that a process may have open.
        with blob:
            return BytesIO(blob.read())

    def _run_text(self, run: Run, parent: Eval, *, has_rows: bool) -> str:
        """Return the JSON text of a run, with a placeholder for the inline rows."""
        if run.imported is not None:
            original = run.imported.document.get("report_url")
            document = imported_document(run.imported, report_url=original)
            return jsontext.render({**document, "report_url": report_url(self._base_url, run)})
        data_source = run.data_source.text_with_rows(_MARK) if has_rows else run.data_source.text
        tally = run.tally
        missing_rows = [] if has_rows else self._row_cautions(run)
        before = {
            "object": "eval.run",
            "id": run.id,
            "eval_id": run.eval_id,
            "report_url": report_url(self._base_url, run),
            "status": run.status,
            "model": run.model,
            "name": run.name,
            "created_at": run.created_at,
            "result_counts": {
                "total": tally.total,
                "errored": tally.errored,
                "failed": tally.failed,
                "passed": tally.passed,
            },
            "per_model_usage": None if tally.criteria is None else per_model_usage(tally.spending),
            "per_testing_criteria_results": _per_criterion(tally.criteria, run.criteria(parent)),
        }
        after = {
            "error": shown_error(run.error),
            "metadata": run.metadata,
            "shared_with_openai": False,
            "evalhaven": {
                "items_planned": run.items_planned,
                "started_at": run.started_at,
                "ended_at": run.ended_at,
                "unresolved": tally.unresolved,
                "warnings": shown_warnings([*run.warnings, *_unresolved_cautions(tally), *missing_rows]),
                **asdict(run.options),
                **spending_extension(run),
                **origin_extension(run, parent),
            },
        }
        return f'{jsontext.render(before)[:-1]},"data_source":{data_source},{jsontext.render(after)[1:]}'

    def _row_cautions(self, run: Run) -> list[Caution]:
        """Say why inline rows are missing that a run should show: an empty list would look like the truth."""
        if not run.has_inline_rows:
            return []
        try:
            self._blobs.open_whole(run.scope, run.id, run.source_bytes).close()
        except DamagedFileError as error:
            return [Caution(_INLINE_ROWS, error.message)]
        except FileNotFoundError:
            return [Caution(_INLINE_ROWS, "The stored file with the inline rows is gone from the disk.")]
        return []


def _per_criterion(tallies: Sequence[CriterionTally] | None, criteria: Criteria) -> JsonValue:
    if tallies is None:
        return None
    return [
        {
            "testing_criteria": criterion.id,
            "testing_criteria_id": criterion.id,
            "passed": tally.passed,
            "failed": tally.failed,
            "errored": tally.errored,
        }
        for tally, criterion in zip(tallies, criteria, strict=True)
    ]


def _unresolved_cautions(tally: Tally) -> list[Caution]:
    """Return a warning that placeholders had no value; its count falls if a retry resolves some."""
    if not tally.unresolved:
        return []
    what = counted(tally.unresolved, "item has", "items have")
    message = (
        f"{what} no value for a placeholder of a criterion. `evalhaven.unresolved` of their results names it: such a "
        "criterion scores 0, except that judges are asked without it."
    )
    return [Caution("/testing_criteria", message)]


def _spliced(text: str, blobs: Sequence[BlobReader]) -> Iterator[bytes]:
    """Yield a text with each placeholder replaced by the rows of its blob."""
    try:
        for blob in blobs:
            before, _, text = text.partition(_MARK)
            yield before.encode()
            yield from json_array_blocks(blob)
        yield text.encode()
    finally:
        for blob in blobs:
            blob.close()
