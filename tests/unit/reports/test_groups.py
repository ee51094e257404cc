"""Facts about groups of items: they are the same whether memory holds them or a file."""

import threading
from pathlib import Path
from typing import Any

import pytest

from evalhaven.reports.groups import Group, Groups

VALUES: list[Any] = [*range(300), "\ud800", "\x00", None, [1], {"a": 1}, "x" * 70, "x" * 2000]


def grouped(directory: Path, most_in_memory: int) -> tuple[tuple[int, int], list[Group]]:
    """Return the counts and groups of items of which each next value has one more."""
    groups = Groups(directory, most_in_memory)
    position = 0
    for round_ in range(3):
        for number, value in enumerate(VALUES):
            if number % 3 >= round_:
                groups.add(value, position, (number % 2, 1, number % 5))
            position += 1
        groups.add_without(position, (2, 0, 0))
    found = groups.count(), list(groups.largest(10_000))
    groups.close()
    return found


@pytest.mark.parametrize("most_in_memory", [1, 7, 299])
def test_groups_in_a_file_are_those_in_memory(tmp_path: Path, most_in_memory: int) -> None:
    counts, groups = grouped(tmp_path, 10_000)
    assert counts == (len(VALUES), len(VALUES) + 1)
    assert grouped(tmp_path, most_in_memory) == (counts, groups)
    (without,) = (group for group in groups if group.shown is None)
    assert (without.passed, without.items, without.total, without.first) == (6, 3, 3.0, len(VALUES))
    assert sum(group.size for group in groups) == 6 + sum(
        (number % 2 + 1 + number % 5) * (number % 3 + 1) for number in range(len(VALUES))
    )


def test_the_largest_come_first_and_of_one_size_the_first(tmp_path: Path) -> None:
    for most in (1, 100):
        groups = Groups(tmp_path, most)
        for position, value in enumerate("abcabdc"):
            groups.add(value, position, (1, 0, 0))
        assert [group.shown for group in groups.largest(3)] == ['"a"', '"b"', '"c"']
        groups.close()


def test_the_file_has_no_name(tmp_path: Path) -> None:
    groups = Groups(tmp_path, 1)
    for value in range(10):
        groups.add(value, value, (1, 0, 0))
    assert list(tmp_path.iterdir()) == []
    groups.close()


def test_long_values_do_not_stay_in_memory(tmp_path: Path) -> None:
    groups = Groups(tmp_path, most_text=10_000)
    for number in range(100):
        groups.add(f"{number}{'x' * 900}", number, (1, 0, 0))
    assert len(groups._groups) < 20  # pyright: ignore[reportPrivateUsage]
    assert groups.count() == (100, 100)
    groups.close()


def test_closing_waits_for_a_thread_that_stores(tmp_path: Path) -> None:
    groups = Groups(tmp_path, 1)
    groups.add(1, 0, (1, 0, 0))
    groups.add(2, 1, (1, 0, 0))
    with groups._lock:  # pyright: ignore[reportPrivateUsage]
        closing = threading.Thread(target=groups.close)
        closing.start()
        closing.join(0.1)
        assert closing.is_alive()
    closing.join()
