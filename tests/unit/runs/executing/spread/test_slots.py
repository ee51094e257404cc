"""Facts about slots of limits that several sampling processes share."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from evalhaven.runs.executing.spread.messages import LimitUse
from evalhaven.runs.executing.spread.slots import SlotTable

MOST = 8
LIMIT = "model m at e"


class Process:
    """A sampling process: begins calls within what it was lent, and asks again only after it was answered."""

    def __init__(self, table: SlotTable, most: int = MOST) -> None:
        self._table = table
        self._most = most
        self.lent = self.in_use = self.waiting = 0
        self._answer: int | None = None

    def ask(self) -> None:
        if self._answer is None:
            use = LimitUse(self._most, self.in_use + self.waiting, self.in_use)
            self._answer = self._table.ask(self, {LIMIT: use})[LIMIT]

    def hear(self) -> None:
        if self._answer is not None:
            self.lent, self._answer = self._answer, None

    def call(self, count: int) -> None:
        """Begin as many calls as slots allow; others wait."""
        self.waiting += count
        begun = max(0, min(self.waiting, self.lent - self.in_use))
        self.in_use += begun
        self.waiting -= begun

    def end(self, count: int) -> None:
        self.in_use = max(0, self.in_use - count)
        self.call(0)

    def exchange(self) -> None:
        self.ask()
        self.hear()
        self.call(0)


def test_who_asks_first_leaves_an_even_part_to_those_who_are_about_to_ask() -> None:
    table = SlotTable(2)
    first, second = Process(table), Process(table)
    first.call(50)
    second.call(50)
    first.exchange()
    second.exchange()
    assert (first.in_use, second.in_use) == (4, 4)


def test_slots_that_nobody_else_wants_go_to_who_asks_again() -> None:
    table = SlotTable(2)
    only = Process(table)
    only.call(50)
    only.exchange()
    assert only.in_use == 4
    only.exchange()
    assert only.in_use == MOST


def test_a_slot_changes_hands_only_after_its_holder_has_heard_of_it() -> None:
    table = SlotTable(2)
    first, second = Process(table), Process(table)
    first.call(50)
    first.exchange()
    first.exchange()
    assert first.in_use == MOST
    second.call(50)
    second.exchange()
    assert second.in_use == 0, "all slots are used"
    first.ask()
    second.exchange()
    assert second.in_use == 0, "the first may not have heard yet that it was lent less"
    first.hear()
    first.end(3)
    assert first.in_use == 5, "it begins no more than it was lent"
    first.exchange()
    second.exchange()
    assert (first.in_use, second.in_use) == (5, 3)


def test_a_dead_process_holds_nothing_and_a_limit_that_is_named_no_more_is_given_back() -> None:
    table = SlotTable(2)
    first, second = Process(table), Process(table)
    for each in (first, second, first, second):
        each.call(50)
        each.exchange()
    assert first.in_use + second.in_use == MOST
    table.forget(first)
    second.exchange()
    assert second.in_use == MOST
    table.ask(second, {})
    assert table.bounds(LIMIT) == 0


def test_one_slot_is_enough_for_processes_that_take_turns() -> None:
    table = SlotTable(3)
    processes = [Process(table, most=1) for _ in range(3)]
    for each in processes:
        each.call(1)
    begun = 0
    for _ in range(30):
        for each in processes:
            each.exchange()
        assert sum(each.in_use for each in processes) <= 1
        for each in processes:
            begun += each.in_use
            each.end(1)
    assert begun == 3


@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 2**32))
def test_calls_under_way_never_exceed_the_limit_whoever_asks_dies_or_is_late(most: int, count: int, seed: int) -> None:
    chance = Random(seed)
    table = SlotTable(count)
    processes = [Process(table, most) for _ in range(count)]
    for _ in range(200):
        number = chance.randrange(count)
        process = processes[number]
        match chance.randrange(6):
            case 0:
                process.call(chance.randrange(2 * most))
            case 1:
                process.end(chance.randrange(1 + most))
            case 2:
                process.ask()
            case 3:
                process.hear()
            case 4:
                process.exchange()
            case _ if chance.random() < 0.1:
                table.forget(process)
                processes[number] = Process(table, most)
            case _:
                process.call(0)
        assert sum(each.in_use for each in processes) <= most
        assert table.bounds(LIMIT) <= most
