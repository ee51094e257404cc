"""Facts about formats: what a run uses decides which workers can execute it."""

from dataclasses import fields, replace
from types import MappingProxyType
from typing import get_args

import pytest

from evalhaven.domain import run_formats
from evalhaven.domain.run_formats import FIRST_FORMAT, NEWEST_FORMAT, format_of
from evalhaven.domain.run_options import DEFAULT_OPTIONS, RunOptions
from evalhaven.wire.data_sources import (
    CreateEvalCompletionsRunDataSource,
    CreateEvalJsonlRunDataSource,
    CreateEvalResponsesRunDataSource,
    EvalJsonlFileContentSource,
    EvalJsonlFileIdSource,
    EvalResponsesSource,
    EvalStoredCompletionsSource,
)
from evalhaven.wire.graders import CRITERION_TYPES

_DATA_SOURCES = (CreateEvalJsonlRunDataSource, CreateEvalCompletionsRunDataSource, CreateEvalResponsesRunDataSource)
_SOURCES = (EvalJsonlFileContentSource, EvalJsonlFileIdSource, EvalStoredCompletionsSource, EvalResponsesSource)


def _type_of(model: type) -> str:
    (name,) = get_args(model.__annotations__["type"])
    return name


def test_whatever_a_run_can_use_has_a_format() -> None:
    usable = {
        *(f"option {each.name}" for each in fields(RunOptions)),
        *(f"grader {each}" for each in CRITERION_TYPES),
        *(f"data source {_type_of(each)}" for each in _DATA_SOURCES),
        *(f"source {_type_of(each)}" for each in _SOURCES),
    }

    assert usable == run_formats._FORMATS.keys(), "what is new gets the format after that of the last release"


@pytest.mark.parametrize(
    ("used", "format_"),
    [
        ((DEFAULT_OPTIONS, "jsonl", "file_id", ["string_check"]), 1),
        ((replace(DEFAULT_OPTIONS, labels=("a",)), "jsonl", "file_id", ["string_check"]), 3),
        ((DEFAULT_OPTIONS, "jsonl", "file_id", ["string_check", "python"]), 2),
        ((DEFAULT_OPTIONS, "responses", "file_id", []), 4),
        ((DEFAULT_OPTIONS, "jsonl", "responses", []), 5),
        ((replace(DEFAULT_OPTIONS, labels=("a",)), "jsonl", "responses", ["python"]), 5),
    ],
)
def test_the_newest_thing_that_a_run_uses_decides(
    monkeypatch: pytest.MonkeyPatch, used: tuple[RunOptions, str, str, list[str]], format_: int
) -> None:
    later = {"grader python": 2, "option labels": 3, "data source responses": 4, "source responses": 5}
    monkeypatch.setattr(run_formats, "_FORMATS", MappingProxyType({**run_formats._FORMATS, **later}))

    assert format_of(*used) == format_


def test_a_grader_that_no_release_knows_waits_for_no_other_worker() -> None:
    assert format_of(DEFAULT_OPTIONS, "jsonl", "file_id", ["telepathy"]) == FIRST_FORMAT <= NEWEST_FORMAT
