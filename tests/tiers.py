"""A pytest plugin that divides the suite: `--tier=first` is `make test`, `--tier=rest` is `make rest`.

The first tier shows every feature once, on SQLite. A test is in the rest by what it is, and nobody lists it:

- it runs on PostgreSQL (its parameter `database_kind`, or a fixture that starts one),
- it is a `proof` or `slow`,
- or its directory is one of those below.

`--tier=check` is `make check`: both, but of the tests that differ from another one by their database alone only every
third is repeated on PostgreSQL, always the same ones. All proofs are, and all of `tests/unit/storage`, since the
database is what they are about. Without the option everything runs.
"""

import functools
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

_OPTION = "--tier"
_REST = ("clients", "generated", "hostile")
_REST_MARKS = ("proof", "slow")
_ON_POSTGRESQL = ("postgresql", "replicas")
_POSTGRESQL_FIXTURES = frozenset({"postgres", "durable_postgres", "postgresql_database_url"})
_TESTS = Path(__file__).parent
_ABOUT_DATABASES = _TESTS / "unit/storage"
_REPEATED_OF = 3
_REST_DIRECTORIES = tuple(_TESTS / name for name in _REST)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(_OPTION, choices=("first", "rest", "check"), help="run a part of the suite")


def is_in_rest(item: pytest.Item) -> bool:
    """Tell whether a test is in the second tier."""
    return (
        _runs_on_postgresql(item)
        or any(item.get_closest_marker(mark) for mark in _REST_MARKS)
        or _is_in_rest_directory(item.path)
    )


def is_repeated(item: pytest.Item, ids: Collection[str]) -> bool:
    """Tell whether `make check` runs a test: whatever does not merely repeat another one, and every third that does.

    Args:
        item: The test.
        ids: Those of all tests.
    """
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    kind = parameters.get("database_kind")
    if kind not in _ON_POSTGRESQL or _ABOUT_DATABASES in item.path.parents or item.get_closest_marker("proof"):
        return True
    is_repetition = item.nodeid.replace(kind, "sqlite") in ids
    return not is_repetition or zlib.crc32(item.nodeid.encode()) % _REPEATED_OF == 0


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
    ids = {item.nodeid for item in items}
    kept, left_out = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        is_wanted = is_repeated(item, ids) if tier == "check" else is_in_rest(item) == (tier == "rest")
        (kept if is_wanted else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _runs_on_postgresql(item: pytest.Item) -> bool:
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return parameters.get("database_kind") in _ON_POSTGRESQL or not _POSTGRESQL_FIXTURES.isdisjoint(fixtures)
