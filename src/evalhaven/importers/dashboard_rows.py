"""A row of the platform's results export, and its form as an output item of the API.

Source: exports of 2024-12 to 2025-09 and recorded API responses. The export keeps messages as they were sent; the API
returns a message's content as one text, with images as `<image>URL</image>` and the parts joined by a space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

from evalhaven.domain import jsontext
from evalhaven.domain.ids import OUTPUT_ITEM_PREFIX, created_at_of
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue

MAX_INDEX = 20_000_000
_ROW_KEYS = frozenset({"run_id", "data_source_idx", "item", "sample", "grades", "passes", "grader_samples"})
_SAMPLE_KEYS = frozenset(
    {
        "trajectory",
        "outputs",
        "finish_reason",
        "sampled_model_name",
        "sampled_model_params",
        "token_usage",
        "error",
    }
)
_USAGE_KEYS = ("total_tokens", "completion_tokens", "prompt_tokens", "cached_tokens")


class RowRefusedError(ValueError):
    """A row does not have the form of the export; the message says why."""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One row of an export.

    Attributes:
        index: Position of the item in its data source, from 0.
        grades: Score of each grader; `passes` is for the same graders.
        inferred: Graders for which the row does not state a pass: the full score of 1 counts as one.
    """

    run_id: str
    created_at: int
    index: int
    document: JsonObject
    grades: Mapping[str, JsonValue]
    passes: Mapping[str, bool]
    inferred: frozenset[str]

    @property
    def sample(self) -> JsonObject:
        """Return the row's sample; {} if it has none."""
        return _object(self.document.get("sample"))

    @property
    def is_errored(self) -> bool:
        """Tell whether sampling failed."""
        return bool(self.sample.get("error"))

    def grader_samples(self) -> Mapping[str, JsonObject]:
        """Return what model graders were asked and answered; deterministic graders have none."""
        samples = _object(self.document.get("grader_samples"))
        return {key: sample for key, sample in samples.items() if isinstance(sample, dict) and sample}


def parse_export_row(raw: bytes) -> ExportRow:
    """Return the row of one JSON text.

    Raises:
        RowRefusedError: The text is not a row.
    """
    try:
        document = jsontext.parse_received(raw)
    except InvalidJsonError as error:
        raise RowRefusedError(f"it is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise RowRefusedError("it is not a JSON object")
    run_id, index = document.get("run_id"), document.get("data_source_idx")
    if not isinstance(run_id, str) or not run_id:
        raise RowRefusedError("its 'run_id' is missing or not a text")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < MAX_INDEX:
        raise RowRefusedError("its 'data_source_idx' is missing or not an index")
    if not isinstance(document.get("item"), dict):
        raise RowRefusedError("its 'item' is missing or not an object")
    grades, passes = _object(document.get("grades")), _object(document.get("passes"))
    keys = list(dict.fromkeys([*grades, *passes]))
    stated = {key: value for key, value in passes.items() if isinstance(value, bool)}
    try:
        created_at = created_at_of(run_id)
    except ValueError as error:
        raise RowRefusedError(f"its 'run_id' {run_id!r} is not of the platform's form") from error
    return ExportRow(
        run_id=run_id,
        created_at=created_at,
        index=index,
        document=document,
        grades={key: _score(grades.get(key), stated.get(key)) for key in keys},
        passes={key: stated.get(key, _is_full(grades.get(key))) for key in keys},
        inferred=frozenset(key for key in keys if key not in stated),
    )


def output_item_document(row: ExportRow, eval_id: str, occurrence: int, *, has_graders: bool) -> JsonObject:
    """Return a row as an output item.

    Args:
        row: The row.
        eval_id: The eval that it will belong to.
        occurrence: How many rows of the same run and index precede it in the export.
        has_graders: Whether other rows of its run have grades; if so, a row without any is errored.
    """
    document: JsonObject = {
        "object": "eval.run.output_item",
        "id": _item_id(row, occurrence),
        "created_at": row.created_at,
        "run_id": row.run_id,
        "eval_id": eval_id,
        "status": item_status(row, has_graders=has_graders),
        "datasource_item_id": row.index,
        "datasource_item": row.document["item"],
        "results": [_result(row, key) for key in row.grades],
        "sample": _sample_document(row.sample),
    }
    rest: JsonObject = {key: value for key, value in row.document.items() if key not in _ROW_KEYS}
    return {**document, "evalhaven": {"row": rest}} if rest else document


def item_status(row: ExportRow, *, has_graders: bool) -> str:
    """Return `pass` if every grader passed, `error` if there is no conclusion, else `fail`."""
    if row.is_errored or (has_graders and not row.passes):
        return "error"
    return "pass" if all(row.passes.values()) else "fail"


def flattened_message(message: JsonValue) -> JsonValue:
    """Return a message with its content as one text, as the API returns it."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list | dict):
        return message
    content = message["content"]
    parts = content if isinstance(content, list) else [content]
    return {**message, "content": " ".join(_part_text(part) for part in parts)}


def _part_text(part: JsonValue) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return jsontext.render(part)
    text, image = part.get("text"), part.get("image_url")
    if isinstance(text, str):
        return text
    if isinstance(image, dict):
        image = image.get("url")
    return f"<image>{image}</image>" if isinstance(image, str) else jsontext.render(part)


def _sample_document(sample: JsonObject) -> JsonObject:
    usage, parameters = _object(sample.get("token_usage")), dict(_object(sample.get("sampled_model_params")))
    more = _object(parameters.pop("api_specific_params", None))
    limit = parameters.pop("max_tokens", None)
    document: JsonObject = {
        "input": [flattened_message(message) for message in _list(sample.get("trajectory"))],
        "output": [flattened_message(message) for message in _list(sample.get("outputs"))],
        "finish_reason": _text(sample.get("finish_reason")),
        "model": _text(sample.get("sampled_model_name")),
        "usage": {**dict.fromkeys(_USAGE_KEYS, 0), **usage},
        "error": _error(sample.get("error")),
        "temperature": parameters.pop("temperature", None),
        "max_completion_tokens": limit,
        "top_p": parameters.pop("top_p", None),
        "seed": parameters.pop("seed", None),
    }
    unknown = {key: value for key, value in sample.items() if key not in _SAMPLE_KEYS}
    return {**unknown, **more, **parameters, **document}


def _error(error: JsonValue) -> JsonObject | None:
    if not error:
        return None
    given: JsonObject = error if isinstance(error, dict) else {"message": jsontext.render(error)}
    return {**given, "code": _text(given.get("code")) or "unknown", "message": _text(given.get("message"))}


def _result(row: ExportRow, key: str) -> JsonObject:
    sample = row.grader_samples().get(key)
    result: JsonObject = {
        "name": key,
        "score": row.grades[key],
        "passed": row.passes[key],
        "sample": None if sample is None else _sample_document(sample),
    }
    return {**result, "evalhaven": {"passed_inferred": True}} if key in row.inferred else result


def _item_id(row: ExportRow, occurrence: int) -> str:
    """Return an id that depends on run, index and occurrence alone; ids of a run sort by index."""
    run = sha256(row.run_id.encode()).hexdigest()
    own = sha256(f"{row.run_id} {row.index} {occurrence}".encode()).hexdigest()
    return f"{OUTPUT_ITEM_PREFIX}{row.created_at:08x}{run[:4]}8190{row.index:08x}{own[:8]}"


def _score(grade: JsonValue, passed: bool | None) -> JsonValue:
    if isinstance(grade, bool):
        return float(grade)
    if isinstance(grade, int | float):
        return grade
    return 1.0 if passed else 0.0


def _is_full(grade: JsonValue) -> bool:
    return isinstance(grade, int | float) and grade >= 1


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return cast("list[JsonValue]", value) if isinstance(value, list) else []


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
