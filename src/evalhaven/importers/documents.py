"""Turns wire documents of another server into our objects; what cannot come over is refused with the reason."""

from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.evals import DataSourceConfig, Eval
from evalhaven.domain.files import StoredFile
from evalhaven.domain.ids import FILE_PREFIXES, RUN_PREFIXES, EvalId, FileId, OutputItemId, RunId, is_importable_id
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError, Sample, Usage
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.spending import ModelUsage, Role, Spending
from evalhaven.domain.statuses import ITEM_STATUS_FILTERS, RunStatus
from evalhaven.domain.tallies import CriterionTally, Tally

_LARGEST_INTEGER = (1 << 63) - 1
_MOST_VERSIONS = (1 << 31) - 1
_LATEST_TIME = 253_402_300_799  # the last second of the year 9999
_ROLES: tuple[Role, ...] = ("target", "judge")
_ABSENT = Grade(score=0.0, passed=False, is_absent=True)
_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
_FINAL = frozenset(status.value for status in RunStatus if status.is_final)


class ImportRefusedError(Exception):
    """An object cannot come over; the message says why."""


def parse_object(raw: bytes) -> JsonObject:
    """Return the JSON object of a raw document.

    Raises:
        ImportRefusedError: The text is not a JSON object.
    """
    try:
        document = jsontext.parse_received(raw)
    except InvalidJsonError as error:
        raise ImportRefusedError(f"it is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ImportRefusedError("it is not a JSON object")
    return document


def eval_of(document: JsonObject, origin: str) -> Eval:
    """Return an eval from its document.

    Raises:
        ImportRefusedError: A field that every eval needs is missing or of the wrong type.
    """
    created_at = _time(document)
    config = _object(document, "data_source_config")
    if not isinstance(config.get("type"), str):
        raise ImportRefusedError("its 'data_source_config' has no 'type'")
    version, follows = _version(document)
    return Eval(
        id=EvalId(_id(document)),
        created_at=created_at,
        updated_at=created_at,
        name=_text(document.get("name")),
        metadata=_metadata(document),
        data_source_config=DataSourceConfig({"schema": {}, **config}),
        testing_criteria=Criteria([_criterion(each) for each in _list(document, "testing_criteria")]),
        imported=ImportedDocument(origin, document),
        version=version,
        follows=follows,
    )


def run_of(document: JsonObject, parent: Eval, scope: ProjectScope, origin: str) -> Run:
    """Return a finished run from its document.

    Raises:
        ImportRefusedError: The run had not ended, or a field that it needs is missing or of the wrong type.
    """
    status = document.get("status")
    if status not in _FINAL:
        raise ImportRefusedError(f"its status was {status!r} when it was exported; export it again when it has ended")
    created_at = _time(document)
    data_source = DataSource(_object(document, "data_source"))
    run_id = _id(document)
    if run_id.startswith(FILE_PREFIXES):
        raise ImportRefusedError("its 'id' is that of a file")
    file_id = file_id_of(document)
    tally = _tally(document, parent)
    return Run(
        id=RunId(run_id),
        eval_id=parent.id,
        eval_key=parent.key,
        scope=scope,
        created_at=created_at,
        name=_text(document.get("name")),
        model=_text(document.get("model")),
        metadata=_metadata(document),
        data_source=data_source.with_rows([]),  # the imported document already holds its rows
        file_id=None if file_id is None else FileId(file_id),
        status=RunStatus(str(status)),
        error=_error(document.get("error")),
        tally=tally,
        items_planned=tally.total,
        started_at=created_at,
        ended_at=created_at,
        imported=ImportedDocument(origin, document),
    )


def output_item_of(raw: bytes, document: JsonObject, criteria: Sequence[str] = ()) -> OutputItem:
    """Return an output item from its document; its repeat is set when it is stored.

    Args:
        raw: The JSON text of the document.
        document: The same, parsed.
        criteria: Ids of the eval's criteria, if they are known. Results that name them are put in their order.

    Raises:
        ImportRefusedError: A field that every output item needs is missing or of the wrong type.
    """
    item = _object(document, "datasource_item")
    item_id, position, created_at = _id(document), _integer(document, "datasource_item_id"), _time(document)
    spans = jsontext.members(raw, (0, len(raw)))
    item_text = raw[slice(*spans.pop("datasource_item"))].decode()
    rest = ",".join(f"{jsontext.render(key)}:{raw[slice(*span)].decode()}" for key, span in spans.items())
    sample, results = document.get("sample"), document.get("results")
    made = OutputItem(
        id=OutputItemId(item_id),
        position=position,
        repeat=0,
        created_at=created_at,
        item_text=item_text,
        item_hash=jsontext.canonical_hash(item),
        sample=_sample(sample if isinstance(sample, dict) else {}, _extension(document)),
        grades=_grades(results if isinstance(results, list) else [], criteria),
        imported_text=f"{{{rest}}}",
    )
    # The first server's status counts: it may have failed an item that has no results at all.
    return msgspec.structs.replace(
        made, imported_status=ITEM_STATUS_FILTERS.get(_text(document.get("status")), made.status)
    )


def file_of(document: JsonObject, origin: str, size_bytes: int) -> StoredFile:
    """Return a file from its document and the length of its content.

    Raises:
        ImportRefusedError: A field that every file needs is missing or of the wrong type.
    """
    file_id = _id(document)
    if file_id.startswith(RUN_PREFIXES):
        raise ImportRefusedError("its 'id' is not that of a file")
    return StoredFile(
        id=FileId(file_id),
        created_at=_time(document),
        expires_at=None,  # imported files are kept until somebody deletes them
        filename=_text(document.get("filename")) or "file",
        purpose=_text(document.get("purpose")) or "evals",
        size_bytes=size_bytes,
        imported=ImportedDocument(origin, document),
    )


def file_id_of(run: JsonObject) -> str | None:
    """Return the id of the file that a run read by its document; None if it read none."""
    data_source = run.get("data_source")
    source = data_source.get("source") if isinstance(data_source, dict) else None
    file_id = source.get("id") if isinstance(source, dict) and source.get("type") == "file_id" else None
    return file_id if isinstance(file_id, str) else None


def is_recovered(imported: ImportedDocument | None) -> bool:
    """Tell whether a file was rebuilt from output items because the real one was not available."""
    return imported is not None and "recovered" in _extension(imported.document)


def shown_id(document: JsonObject) -> str:
    """Return the id of a document for a message; "" if it has none."""
    public_id = document.get("id")
    return public_id if isinstance(public_id, str) else ""


def _id(document: JsonObject) -> str:
    public_id = document.get("id")
    if not isinstance(public_id, str) or not is_importable_id(public_id):
        raise ImportRefusedError("its 'id' is missing or not an id")
    return public_id


def _time(document: JsonObject) -> int:
    created_at = _integer(document, "created_at")
    if created_at > _LATEST_TIME:
        raise ImportRefusedError("its 'created_at' is not a time in seconds")
    return created_at


def _integer(document: JsonObject, key: str) -> int:
    value = document.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST_INTEGER:
        raise ImportRefusedError(f"its {key!r} is missing or not a whole number")
    return value


def _object(document: JsonObject, key: str) -> JsonObject:
    value = document.get(key)
    if not isinstance(value, dict):
        raise ImportRefusedError(f"its {key!r} is missing or not an object")
    return value


def _list(document: JsonObject, key: str) -> list[JsonValue]:
    value = document.get(key)
    if not isinstance(value, list):
        raise ImportRefusedError(f"its {key!r} is missing or not a list")
    return value


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _metadata(document: JsonObject) -> dict[str, str]:
    metadata = document.get("metadata")
    return cast("dict[str, str]", metadata) if isinstance(metadata, dict) else {}


def _version(document: JsonObject) -> tuple[int, EvalId | None]:
    """Return an eval's version and the eval that it follows, as another Evalhaven answered them."""
    extension = document.get("evalhaven")
    told: JsonObject = extension if isinstance(extension, dict) else {}
    version, follows = told.get("version"), told.get("follows")
    if not isinstance(follows, str) or not is_importable_id(follows):
        return 1, None
    if not isinstance(version, int) or not 1 < version <= _MOST_VERSIONS:
        version = 2
    return version, EvalId(follows)


def _criterion(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ImportRefusedError("one of its testing criteria has no 'type'")
    name = _text(value.get("name"))
    return {"id": name, **value, "name": name}


def _tally(document: JsonObject, parent: Eval) -> Tally:
    given = document.get("result_counts")
    counts: JsonObject = given if isinstance(given, dict) else {}
    per_criterion = document.get("per_testing_criteria_results")
    found: dict[JsonValue, CriterionTally] = {}
    for each in per_criterion if isinstance(per_criterion, list) else []:
        if isinstance(each, dict) and isinstance(name := each.get("testing_criteria"), str):
            found[name] = CriterionTally(_count(each, "passed"), _count(each, "failed"), _count(each, "errored"))
    nothing = CriterionTally()
    criteria = tuple(found.get(criterion.id, nothing) for criterion in parent.testing_criteria)
    return Tally(
        passed=_count(counts, "passed"),
        failed=_count(counts, "failed"),
        errored=_count(counts, "errored"),
        criteria=criteria if found else None,
        spending=Spending(usage=tuple(_usage_split(_extension(document)))),
    )


def _usage_split(extension: JsonObject) -> Iterator[ModelUsage]:
    """Yield what the calls of a run used, as `evalhaven.usage_split` of a run says it."""
    split = extension.get("usage_split")
    for role in _ROLES:
        rows = split.get(role) if isinstance(split, dict) else None
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict):
                calls, cost = _count(row, "invocation_count"), _cost(row)
                usage = Usage(*(_count(row, key) for key in _TOKENS))
                yield ModelUsage(_text(row.get("model_name")), role).plus(usage, cost, calls)


def _count(counts: JsonObject, key: str) -> int:
    value = counts.get(key)
    return value if isinstance(value, int) and 0 <= value <= _LARGEST_INTEGER else 0


def _error(value: JsonValue) -> ItemError | None:
    if not isinstance(value, dict):
        return None
    return ItemError(_text(value.get("code")) or "unknown", _text(value.get("message")))


def _extension(document: JsonObject) -> JsonObject:
    extension = document.get("evalhaven")
    return extension if isinstance(extension, dict) else {}


def _sample(sample: JsonObject, extension: JsonObject) -> Sample:
    usage = sample.get("usage")
    counts: JsonObject = usage if isinstance(usage, dict) else {}
    messages, output = sample.get("input"), sample.get("output")
    return Sample(
        input=messages if isinstance(messages, list) else [],
        output=output if isinstance(output, list) else [],
        finish_reason=_text(sample.get("finish_reason")),
        model=_text(sample.get("model")),
        usage=Usage(
            _count(counts, "prompt_tokens"),
            _count(counts, "completion_tokens"),
            _count(counts, "total_tokens"),
            _count(counts, "cached_tokens"),
        ),
        error=_error(sample.get("error")),
        latency_ms=_count(extension, "latency_ms") if "latency_ms" in extension else None,
        cost=_cost(extension),
    )


def _cost(document: JsonObject) -> float | None:
    cost = document.get("cost")
    return float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= 0 else None


def _grades(results: list[JsonValue], criteria: Sequence[str]) -> list[Grade]:
    """Return the grades of results in the order of the criteria, with gaps; in their own if they name others."""
    given = [each for each in results if isinstance(each, dict)]
    by_name = {_text(each.get("name")): each for each in given}
    if len(by_name) < len(given) or not by_name or not by_name.keys() <= set(criteria):
        return [_grade(each) for each in given]
    return [_grade(by_name[name]) if name in by_name else _ABSENT for name in criteria]


def _grade(result: JsonObject) -> Grade:
    score = result.get("score")
    said = _extension(result).get("error")
    error = _error(said)
    # What the user's own code did wrong is a score of 0, and no error.
    is_fault = isinstance(said, dict) and said.get("origin") == "user_code"
    return Grade(
        score=float(score) if isinstance(score, int | float) else 0.0,
        passed=result.get("passed") is True,
        error=None if is_fault else error,
        fault=error if is_fault else None,
    )
