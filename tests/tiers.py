"""A pytest plugin that divides the suite: `--tier=first` is `make test`, `--tier=rest` is what `make check` adds.

The first tier shows every feature once, on SQLite. A test is in the rest by what it is, and nobody lists it:

- it runs on PostgreSQL (its parameter `database_kind`, or a fixture that starts one),
- it is a `proof` or `slow`,
- or its directory is one of those below.

Without the option everything runs.
"""

import functools
from pathlib import Path
from typing import Any

import pytest

_OPTION = "--tier"
_REST = ("clients", "generated", "hostile")
_REST_MARKS = ("proof", "slow")
_ON_POSTGRESQL = ("postgresql", "replicas")
_POSTGRESQL_FIXTURES = frozenset({"postgres", "durable_postgres", "postgresql_database_url"})
_TESTS = Path(__file__).parent
_REST_DIRECTORIES = tuple(_TESTS / name for name in _REST)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(_OPTION, choices=("first", "rest"), help="run one of the two parts of the suite")


def is_in_rest(item: pytest.Item) -> bool:
    """Tell whether a test is in the second tier."""
    return (
        _runs_on_postgresql(item)
        or any(item.get_closest_marker(mark) for mark in _REST_MARKS)
        or _is_in_rest_directory(item.path)
    )


@functools.cache
def _is_in_rest_directory(path: Path) -> bool:
    return any(directory in path.parents for directory in _REST_DIRECTORIES)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave directories of the other tier unread."""
    is_left_out = config.getoption(_OPTION) == "first" and collection_path in _REST_DIRECTORIES
    return True if is_left_out else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other tier."""
    tier: str | None = config.getoption(_OPTION)
    if tier is None:
        return
    kept, left_out = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (kept if is_in_rest(item) == (tier == "rest") else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _runs_on_postgresql(item: pytest.Item) -> bool:
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return parameters.get("database_kind") in _ON_POSTGRESQL or not _POSTGRESQL_FIXTURES.isdisjoint(fixtures)
