"""Rebuilds the rows of a missing file from the output items of a run that read it."""

import tempfile
from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.importers.documents import ImportRefusedError, file_id_of, parse_object, shown_id
from evalhaven.importers.source import SourceFile

_MISSING = (1 << 64) - 1
_MAX_POSITION = 20_000_000


@dataclass(frozen=True, slots=True)
class FileReader:
    """A run that read a file.

    Attributes:
        item_count: How many output items it has: the more, the better its file can be rebuilt.
        keeps_samples: Whether its rows brought their own samples.
    """

    file_id: str
    run_id: str
    created_at: JsonValue
    item_count: int
    keeps_samples: bool

    @classmethod
    def of_run(cls, document: JsonObject, item_count: int) -> "FileReader | None":
        """Return the run of a document as the reader of its file; None if it read none."""
        file_id, data_source = file_id_of(document), document.get("data_source")
        if file_id is None or not isinstance(data_source, dict):
            return None
        keeps_samples = data_source.get("type") == "jsonl"
        return cls(file_id, shown_id(document), document.get("created_at"), item_count, keeps_samples)


@contextmanager
def recovered_file(reader: FileReader, items: Iterator[bytes], record: JsonObject) -> Generator[SourceFile | None]:
    """Rebuild a file, in the order of its rows; it exists while the block lasts. None: there are no items.

    Memory holds eight bytes a row.

    Args:
        reader: A run that read the file.
        items: Documents of that run's output items.
        record: What is known about the file; {} if nothing is.
    """
    with tempfile.TemporaryDirectory(prefix="evalhaven-recovery-") as directory:
        path = Path(directory) / "rows.jsonl"
        with tempfile.TemporaryFile(dir=directory) as unsorted:
            offsets = _write_rows(items, unsorted, keeps_samples=reader.keeps_samples)
            rows = _write_sorted(unsorted, offsets, path)
        if not rows:
            yield None
            return
        extension = record.get("evalhaven")
        document: JsonObject = {
            "object": "file",
            "id": reader.file_id,
            "purpose": "evals",
            "filename": f"{reader.file_id}.jsonl",
            "created_at": reader.created_at,
            "expires_at": None,
            "status": "processed",
            "status_details": None,
            **record,
            "bytes": path.stat().st_size,
            "evalhaven": {
                **(extension if isinstance(extension, dict) else {}),
                "recovered": {"from_run": reader.run_id, "rows": rows, "rows_missing": len(offsets) - rows},
            },
        }
        yield SourceFile(jsontext.render(document).encode(), path)


def _write_rows(items: Iterator[bytes], unsorted: BinaryIO, *, keeps_samples: bool) -> "array[int]":
    """Write the row of each item; return the offset of the row at each position."""
    offsets = array("Q")
    for raw in items:
        try:
            document = parse_object(raw)
        except ImportRefusedError:
            continue
        position, item = document.get("datasource_item_id"), document.get("datasource_item")
        if not isinstance(position, int) or not 0 <= position < _MAX_POSITION or not isinstance(item, dict):
            continue
        if position >= len(offsets):
            offsets.extend([_MISSING] * (position + 1 - len(offsets)))
        if offsets[position] == _MISSING:
            offsets[position] = unsorted.tell()
            row: JsonObject = {"item": item}
            sample = _sample_of(document) if keeps_samples else None
            unsorted.write(jsontext.render({**row, "sample": sample} if sample else row).encode() + b"\n")
    return offsets


def _write_sorted(unsorted: BinaryIO, offsets: "array[int]", path: Path) -> int:
    rows = 0
    with path.open("wb") as ordered:
        for offset in offsets:
            if offset != _MISSING:
                unsorted.seek(offset)
                ordered.write(unsorted.readline())
                rows += 1
    return rows


def _sample_of(document: JsonObject) -> JsonObject | None:
    """Return the recorded output as a minimal chat completion, to be the row's own sample; None without an output."""
    sample = document.get("sample")
    output: JsonValue = sample.get("output") if isinstance(sample, dict) else None
    if not isinstance(sample, dict) or not isinstance(output, list) or not output or sample.get("error"):
        return None
    choice: JsonObject = {"index": 0, "message": output[0], "finish_reason": sample.get("finish_reason")}
    return {"model": sample.get("model"), "choices": [choice]}
