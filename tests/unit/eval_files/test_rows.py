"""Facts about the data of eval files."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalhaven.eval_files.problems import EvalFileError
from evalhaven.eval_files.reading import read_eval_file
from evalhaven.eval_files.rows import read_rows
from tests.unit.eval_files.written_files import ROWS, write, write_json

AS_ROWS = [{"item": row} for row in ROWS]


def rows_of(directory: Path, data: Any) -> list[Any]:
    """Return the rows of an eval with this data."""
    return list(read_rows(read_eval_file(write_json(directory, data=data))))


def problems_of(directory: Path, data: str) -> str:
    """Return what is wrong with data."""
    with pytest.raises(EvalFileError) as caught:
        read_eval_file(write_json(directory, data=data))
    return str(caught.value).replace(f"{directory}/", "")


def test_inline_rows_may_be_bare_or_whole(tmp_path: Path) -> None:
    assert rows_of(tmp_path, ROWS) == AS_ROWS
    whole = [{**row, "sample": {"output_text": "Paris"}} for row in AS_ROWS]
    assert rows_of(tmp_path, whole) == whole


def test_jsonl_has_a_row_a_line(tmp_path: Path) -> None:
    write(
        tmp_path, "rows.jsonl",
        '\ufeff{"question": "Capital of France?", "answer": "Paris"}\n\n'
        '{"question": "Capital of Italy?", "answer": "Rome"}',
    )  # fmt: skip
    assert rows_of(tmp_path, "rows.jsonl") == AS_ROWS


def test_csv_has_strings_only(tmp_path: Path) -> None:
    write(tmp_path, "rows.csv", 'question,answer\n"Capital, of\nFrance?",1\nShort\n')
    assert rows_of(tmp_path, "rows.csv") == [
        {"item": {"question": "Capital, of\nFrance?", "answer": "1"}},
        {"item": {"question": "Short", "answer": ""}},
    ]


def test_parquet_keeps_types_and_writes_dates_as_text(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "n": 1, "day": date(2026, 1, 2), "price": Decimal("1.10"), "tags": ["a"], "nan": float("nan")}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    (row,) = rows_of(tmp_path, "rows.parquet")
    assert row == {"item": {**ROWS[0], "n": 1, "day": "2026-01-02", "price": "1.10", "tags": ["a"], "nan": None}}


def test_what_is_wrong_with_data_names_its_line(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", '{"question": "a", "answer": "b"}\n{"question": \n')
    assert problems_of(tmp_path, "rows.jsonl").startswith("rows.jsonl:2: This line is not valid JSON")
    write(tmp_path, "rows.jsonl", "[1]\n")
    assert problems_of(tmp_path, "rows.jsonl") == (
        "rows.jsonl:1: This line must be a JSON object: an item, or {item, sample}."
    )
    write(tmp_path, "rows.csv", 'question,answer\n"a\nb",c\nd,e,f\n')
    assert problems_of(tmp_path, "rows.csv") == "rows.csv:4: This row has 3 cells, but there are 2 columns."
    write(tmp_path, "rows.csv", "question,question\n")
    assert "Two columns are called 'question'" in problems_of(tmp_path, "rows.csv")
    write(tmp_path, "rows.parquet", "no parquet")
    assert "This is not valid Parquet" in problems_of(tmp_path, "rows.parquet")
    write(tmp_path, "rows.jsonl", "\n")
    assert "There is no row in the data." in problems_of(tmp_path, "rows.jsonl")


def test_of_many_bad_rows_the_first_ten_are_told(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", '{"question": "a", "answer": "b"}\n' + '{"item": {}}\n' * 25)
    said = problems_of(tmp_path, "rows.jsonl").splitlines()
    assert len(said) == 11
    assert sorted(said)[0].endswith("There are problems in 15 more rows.")
