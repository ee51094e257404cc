"""Documents of requests, as the API parses them."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from evalhaven.wire.data_source_configs import CreateEvalDataSourceConfig
from evalhaven.wire.data_sources import RunDataSource
from evalhaven.wire.graders import Grader, GraderMulti, TestingCriterion
from evalhaven.wire.requests import parse_part

_CONFIG = TypeAdapter[CreateEvalDataSourceConfig](CreateEvalDataSourceConfig)
_DATA_SOURCE = TypeAdapter[RunDataSource](RunDataSource)
_CRITERION = TypeAdapter[TestingCriterion](TestingCriterion)
_GRADER = TypeAdapter[Grader](Grader)


def config_of(document: dict[str, Any]) -> CreateEvalDataSourceConfig:
    """Return the data source config of a request for an eval."""
    return parse_part(_CONFIG, document)


def data_source_of(document: dict[str, Any]) -> RunDataSource:
    """Return the data source of a request for a run; its source is a file where none is given."""
    return parse_part(_DATA_SOURCE, {"source": {"type": "file_id", "id": "file-1"}, **document})


def criteria_of(documents: Sequence[dict[str, Any]]) -> list[TestingCriterion]:
    """Return the testing criteria of a request."""
    return [parse_part(_CRITERION, each) for each in documents]


def grader_of(document: dict[str, Any]) -> Grader:
    """Return a grader outside of evals."""
    return parse_part(_GRADER, document)


def multi_of(document: dict[str, Any]) -> GraderMulti:
    """Return a grader that is made of others."""
    grader = grader_of(document)
    assert isinstance(grader, GraderMulti)
    return grader
