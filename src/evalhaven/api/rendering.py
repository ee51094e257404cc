"""Wire responses from domain objects."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from io import BytesIO
from uuid import uuid4

from fastapi import Response
from starlette.responses import StreamingResponse

from evalhaven.api.extensions import grade_extension, origin_extension
from evalhaven.api.spending import item_extension, per_model_usage, spending_extension
from evalhaven.domain import jsontext
from evalhaven.domain.errors import DamagedFileError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.files import StoredFile
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.paging import PAGE_BYTES, Page
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.tallies import CriterionTally, Tally
from evalhaven.runs.accepting.inline import inline_document
from evalhaven.storage.blobs import BlobReader, BlobStore, json_array_blocks, length_of

RESULT_TYPES = {
    "string_check": "string-check-grader",
    "text_similarity": "text-similarity-grader",
    "label_model": "label-model-grader",
    "score_model": "score-model-grader",
    "python": "python-grader",
    "multi": "multi-grader",
}
_JSON = "application/json"
_IN_MEMORY_BYTES = 1024 * 1024
_INLINE_ROWS = "/data_source/source/content"


def json_response(text: str, status: int = 200) -> Response:
    """Return a JSON text as a response."""
    return Response(text, status, media_type=_JSON)


def list_text(objects: Sequence[str], ids: Sequence[str], *, has_more: bool) -> str:
    """Return the JSON text of one page: its objects as texts, and their ids."""
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    tail = jsontext.render({"first_id": first, "last_id": last, "has_more": has_more})[1:]
    return f'{{"object":"list","data":[{",".join(objects)}],{tail}'


def eval_text(found: Eval) -> str:
    """Return the JSON text of an eval."""
    if found.imported is not None:
        return jsontext.render(_imported(found.imported))
    return jsontext.render(
        {
            "object": "eval",
            "id": found.id,
            "data_source_config": found.data_source_config,
            "testing_criteria": found.testing_criteria,
            "name": found.name,
            "created_at": found.created_at,
            "metadata": found.metadata,
            "evalhaven": {"warnings": _warnings(found.warnings)},
        }
    )


def file_text(found: StoredFile) -> str:
    """Return the JSON text of a file."""
    if found.imported is not None:
        return jsontext.render(_imported(found.imported))
    return jsontext.render(
        {
            "object": "file",
            "id": found.id,
            "purpose": found.purpose,
            "filename": found.filename,
            "bytes": found.size_bytes,
            "created_at": found.created_at,
            "expires_at": found.expires_at,
            "status": "processed",
            "status_details": None,
        }
    )


def report_url(base_url: str, run: Run) -> str:
    """Return the address of a run's page."""
    return f"{base_url}/ui/evals/{run.eval_id}/runs/{run.id}"


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
        texts = [(*self._run_text(run, parent, has_rows=rows is not None), rows) for run, rows in opened]
        text = join([text for text, _, _ in texts])
        marked = [(mark, rows) for _, mark, rows in texts if rows is not None]
        if not marked:
            return json_response(text, status)
        blocks = _spliced(text, marked)
        if all(isinstance(rows, BytesIO) for _, rows in marked):
            return Response(b"".join(blocks), status, media_type=_JSON)
        return StreamingResponse(blocks, status, media_type=_JSON)

    def _open_rows(self, run: Run) -> BlobReader | None:
        """Open a run's inline rows before the response begins, so that a deletion meanwhile cannot cut it short.

        None: it has none, or they are gone or damaged.
        """
        if not run.has_inline_rows:
            return None
        try:
            blob = self._blobs.open_whole(run.scope, run.id, run.source_bytes)
        except (DamagedFileError, FileNotFoundError):
            return None
        if length_of(blob) > _IN_MEMORY_BYTES:
            return blob
        # A page may hold a thousand runs, more than a process may have files open.
        with blob:
            return BytesIO(blob.read())

    def _run_text(self, run: Run, parent: Eval, *, has_rows: bool) -> tuple[str, str]:
        """Return the JSON text of a run, and the mark that stands in it for the inline rows."""
        mark = f'"{uuid4().hex}"'
        if run.imported is not None:
            original = run.imported.document.get("report_url")
            document = _imported(run.imported, report_url=original)
            return jsontext.render({**document, "report_url": report_url(self._base_url, run)}), mark
        data_source = inline_document(run.data_source, mark[1:-1]) if has_rows else run.data_source
        tally = run.tally
        missing_rows = [] if has_rows else self._row_cautions(run)
        document = {
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
            "data_source": data_source,
            "error": _error(run.error),
            "metadata": run.metadata,
            "shared_with_openai": False,
            "evalhaven": {
                "items_planned": run.items_planned,
                "started_at": run.started_at,
                "ended_at": run.ended_at,
                "unresolved": tally.unresolved,
                "warnings": _warnings([*run.warnings, *_unresolved_cautions(tally), *missing_rows]),
                **asdict(run.options),
                **spending_extension(run),
                **origin_extension(run, parent),
            },
        }
        return jsontext.render(document), mark

    def _row_cautions(self, run: Run) -> list[Caution]:
        """Say why a run's inline rows are not shown, where they should be: an empty list would look like the truth."""
        if not run.has_inline_rows:
            return []
        try:
            self._blobs.open_whole(run.scope, run.id, run.source_bytes).close()
        except DamagedFileError as error:
            return [Caution(_INLINE_ROWS, error.message)]
        except FileNotFoundError:
            return [Caution(_INLINE_ROWS, "The stored file with the inline rows is gone from the disk.")]
        return []


def output_item_text(item: OutputItem, run: Run, criteria: Sequence[JsonObject]) -> str:
    """Return the JSON text of an output item; the item stands in it as the user wrote it."""
    if item.imported_text is not None:
        return f'{item.imported_text[:-1]},"datasource_item":{item.item_text}}}'
    head = {
        "object": "eval.run.output_item",
        "id": item.id,
        "created_at": item.created_at,
        "run_id": run.id,
        "eval_id": run.eval_id,
        "status": item.status.wire,
        "datasource_item_id": item.position,
    }
    tail = {
        "results": [_result(grade, criterion) for grade, criterion in zip(item.grades, criteria, strict=False)],
        "sample": _sample(item.sample, run),
        "_datasource_item_content_hash": item.item_hash.hex(),
        "evalhaven": {"repeat": item.repeat, "item_hash": item.item_hash.hex(), **item_extension(item)},
    }
    return f'{jsontext.render(head)[:-1]},"datasource_item":{item.item_text},{jsontext.render(tail)[1:]}'


def _imported(imported: ImportedDocument, **more: JsonValue) -> JsonObject:
    """Return an imported object as its first server answered it, with its origin under `evalhaven`."""
    extension = imported.document.get("evalhaven")
    extension = extension if isinstance(extension, dict) else {}
    told: JsonObject = {"origin": imported.origin, **more}
    if "imported" in extension:
        # It had been imported by the server it comes from, too.
        told["imported"] = extension["imported"]
    return {**imported.document, "evalhaven": {**extension, "imported": told}}


def _result(grade: Grade, criterion: JsonObject) -> JsonObject:
    result: JsonObject = {
        "name": criterion["id"],
        "type": RESULT_TYPES[str(criterion["type"])],
        "score": grade.score,
        "passed": grade.passed,
        "sample": grade.sample,
    }
    more = grade_extension(grade)
    return {**result, "evalhaven": more} if more else result


def _sample(sample: Sample, run: Run) -> JsonObject:
    return {
        "input": sample.input,
        "output": sample.output,
        "finish_reason": sample.finish_reason,
        "model": sample.model,
        "usage": sample.usage.to_json(),
        "error": _error(sample.error),
        **_parameters(run),
    }


def _parameters(run: Run) -> JsonObject:
    """Return the parameters that a run's samples show: what was sent, else what holds without it."""
    sent = run.data_source.get("sampling_params")
    sent = {key: value for key, value in sent.items() if value is not None} if isinstance(sent, dict) else {}
    shown: JsonObject = {
        "temperature": sent.get("temperature", 1.0),
        "max_completion_tokens": sent.get("max_completion_tokens", sent.get("max_completions_tokens")),
        "top_p": sent.get("top_p", 1.0),
        "seed": sent.get("seed"),
    }
    return {**shown, **{key: sent[key] for key in ("max_completions_tokens", "reasoning_effort") if key in sent}}


def _per_criterion(tallies: Sequence[CriterionTally] | None, criteria: Sequence[JsonObject]) -> JsonValue:
    if tallies is None:
        return None
    return [
        {
            "testing_criteria": criterion["id"],
            "testing_criteria_id": criterion["id"],
            "passed": tally.passed,
            "failed": tally.failed,
            "errored": tally.errored,
        }
        for tally, criterion in zip(tallies, criteria, strict=True)
    ]


def _error(error: ItemError | None) -> JsonObject | None:
    return None if error is None else {"code": error.code, "message": error.message}


def _unresolved_cautions(tally: Tally) -> list[Caution]:
    """Return that items lacked what criteria name; it follows the count, which falls where a retry mends some."""
    if not tally.unresolved:
        return []
    what = "1 item has" if tally.unresolved == 1 else f"{tally.unresolved} items have"
    message = (
        f"{what} no value for a placeholder of a criterion. `evalhaven.unresolved` of their results names it: such a "
        "criterion scores 0, except that judges are asked without it."
    )
    return [Caution("/testing_criteria", message)]


def _warnings(cautions: Sequence[Caution]) -> list[JsonValue]:
    return [asdict(caution) for caution in cautions]


def _spliced(text: str, opened: Sequence[tuple[str, BlobReader]]) -> Iterator[bytes]:
    """Yield a text with each mark replaced by the rows of its blob."""
    try:
        for mark, blob in opened:
            before, _, text = text.partition(mark)
            yield before.encode()
            yield from json_array_blocks(blob)
        yield text.encode()
    finally:
        for _, blob in opened:
            blob.close()
