"""The data of an eval file: rows of JSONL, CSV and Parquet, or those that stand in the file."""

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.eval_files.format import EvalFile
from evalhaven.eval_files.problems import EvalFileError

DATA_FORMS = (".jsonl", ".csv", ".parquet")
"""How the names of data files end."""

_MOST_CELL_CHARS = 16 * 1024 * 1024
_BATCH = 1000
_NO_PYARROW = (
    "Parquet needs pyarrow, which is not installed. Install it (`pip install 'evalhaven[parquet]'`), or save the data "
    "as .jsonl or .csv."
)


def read_rows(file: EvalFile) -> Iterator[JsonObject]:
    """Yield the rows of an eval file's data: `{item, sample?}`, also where the data has bare items.

    Raises:
        EvalFileError: The data cannot be read.
    """
    return normal_rows(numbered_rows(file))


def normal_rows(rows: Iterator[tuple[int, JsonObject]]) -> Iterator[JsonObject]:
    """Yield rows as `{item, sample?}`; where the first is a bare item, all are."""
    are_bare: bool | None = None
    for _, row in rows:
        if are_bare is None:
            are_bare = is_bare(row)
        yield {"item": row} if are_bare else row


def is_bare(row: JsonObject) -> bool:
    """Tell whether a row is itself the item."""
    return "item" not in row and "sample" not in row


def numbered_rows(file: EvalFile) -> Iterator[tuple[int, JsonObject]]:
    """Yield the rows of an eval file's data as they are written, each with its line or, where it has none, its number.

    Raises:
        EvalFileError: The data cannot be read.
    """
    if file.data_path is not None:
        return read_data_file(file.data_path)
    return enumerate(cast("list[JsonObject]", file.data), 1)


def read_data_file(path: Path) -> Iterator[tuple[int, JsonObject]]:
    """Yield the rows of a data file, each with its line; of Parquet, with its number.

    Raises:
        EvalFileError: The file cannot be read.
    """
    match path.suffix.lower():
        case ".csv":
            rows = _csv_rows(path)
        case ".parquet":
            rows = _parquet_rows(path)
        case _:
            rows = _jsonl_rows(path)
    try:
        yield from rows
    except OSError as error:
        raise EvalFileError.at(path, None, f"The file cannot be read: {error.strerror or error}.") from error


def _jsonl_rows(path: Path) -> Iterator[tuple[int, JsonObject]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if not text:
                continue
            try:
                row = jsontext.parse_received(text)
            except jsontext.InvalidJsonError as error:
                raise EvalFileError.at(path, number, f"This line is not valid JSON: {error}.") from error
            if not isinstance(row, dict):
                raise EvalFileError.at(path, number, "This line must be a JSON object: an item, or {item, sample}.")
            yield number, row


def _csv_rows(path: Path) -> Iterator[tuple[int, JsonObject]]:
    csv.field_size_limit(_MOST_CELL_CHARS)
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        line = 1
        try:
            names = next(reader, list[str]())
            doubled = next((name for index, name in enumerate(names) if name in names[:index]), None)
            if doubled is not None:
                raise EvalFileError.at(path, 1, f"Two columns are called {doubled!r}; rename one.")
            if "" in names:
                raise EvalFileError.at(path, 1, f"Column {names.index('') + 1} has no name.")
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) > len(names):
                    message = f"This row has {len(cells)} cells, but there are {len(names)} columns."
                    raise EvalFileError.at(path, line, message)
                if cells:
                    yield line, dict(zip(names, [*cells, *[""] * (len(names) - len(cells))], strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            raise EvalFileError.at(path, line, f"This is not valid CSV: {error}.") from error
        except UnicodeDecodeError as error:
            raise EvalFileError.at(path, None, "The file is not UTF-8; save it as UTF-8.") from error


def _parquet_rows(path: Path) -> Iterator[tuple[int, JsonObject]]:
    if find_spec("pyarrow") is None:
        raise EvalFileError.at(path, None, _NO_PYARROW)
    reader: Any = import_module("pyarrow.parquet")
    invalid: Any = import_module("pyarrow").ArrowException
    try:
        table = reader.ParquetFile(path)
        number = 0
        for batch in table.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield number, {name: _json_of(value, path, number, name) for name, value in row.items()}
    except invalid as error:
        raise EvalFileError.at(path, None, f"This is not valid Parquet: {' '.join(str(error).split())}.") from error


def _json_of(value: object, path: Path, number: int, name: str) -> JsonValue:
    """Return a cell as JSON: moments as ISO texts, exact decimals as texts."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value - value == 0 else None
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case list():
            return [_json_of(each, path, number, name) for each in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value)
            return {key: _json_of(each, path, number, name) for key, each in members.items()}
        case _:
            message = f"Row {number} has a {type(value).__name__} in the column {name!r}, for which JSON has no form."
            raise EvalFileError.at(path, None, message)
