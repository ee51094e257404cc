"""A pytest plugin that divides the suite: `--tier=first` is `make test`, `--tier=rest` is what `make check` adds.

The first tier shows every feature once, on SQLite. A test is in the rest by what it is, and nobody lists it:

- it runs on PostgreSQL (its parameter `database_kind`, or the fixture `postgres`),
- it is a `proof` or `slow`,
- or its directory is one of those below.

Without the option everything runs.
"""

from pathlib import Path
from typing import Any

import pytest

_OPTION = "--tier"
_REST = ("clients", "generated", "hostile")
_REST_MARKS = ("proof", "slow")
_TESTS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(_OPTION, choices=("first", "rest"), help="run one of the two parts of the suite")


def is_in_rest(item: pytest.Item) -> bool:
    """Tell whether a test is in the second tier."""
    return (
        _runs_on_postgresql(item)
        or any(item.get_closest_marker(mark) for mark in _REST_MARKS)
        or any(item.path.is_relative_to(_TESTS / directory) for directory in _REST)
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other tier."""
    tier: str | None = config.getoption(_OPTION)
    if tier is None:
        return
    left_out = [item for item in items if is_in_rest(item) != (tier == "rest")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if is_in_rest(item) == (tier == "rest")]


def _runs_on_postgresql(item: pytest.Item) -> bool:
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return parameters.get("database_kind") == "postgresql" or bool(
        {"postgres", "postgresql_database_url"} & set(getattr(item, "fixturenames", ()))
    )
