"""Facts about the limit that is learnt: when it grows, when it shrinks, and when shrinking does not help."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.sampling.calls.concurrency import Concurrency
from tests.sizes import SEED


class Changes(list[tuple[str, int, int]]):
    """What a limit was told to have changed by."""

    def note(self, reason: str, before: int, after: int) -> None:
        self.append((reason, before, after))


def made(start: int = 20, maximum: int = 1000) -> tuple[Concurrency, Changes]:
    changes = Changes()
    return Concurrency(start, maximum, lambda: 0.0, changes.note), changes


def reply(limit: Concurrency, good: int = 0, refused: int = 0) -> None:
    """Let so many calls of the present epoch come back, the refused ones first, with the limit reached."""
    epoch, under_way = limit.epoch, limit.limit
    limit.most = under_way
    for _ in range(refused):
        limit.note_refused(epoch)
    for _ in range(good):
        if limit.epoch == epoch:
            limit.most = max(limit.most, under_way)
        limit.note_good(epoch)


def test_a_clean_round_doubles_the_limit_until_the_maximum() -> None:
    limit, changes = made(start=20, maximum=100)
    for _ in range(5):
        reply(limit, good=limit.limit)

    assert changes == [("ramp", 20, 40), ("ramp", 40, 80), ("ramp", 80, 100)]


def test_a_round_is_as_many_replies_as_the_limit() -> None:
    limit, changes = made(start=20)
    reply(limit, good=19)
    assert limit.limit == 20

    reply(limit, good=1)
    assert changes == [("ramp", 20, 40)]


def test_a_limit_that_is_not_reached_stays() -> None:
    limit, changes = made(start=20)
    for _ in range(100):
        limit.most = 19
        limit.note_good(0)

    assert (limit.limit, changes) == (20, [])


def test_start_is_cut_to_the_maximum_and_to_one() -> None:
    assert made(start=20, maximum=4)[0].limit == 4
    assert made(start=0, maximum=0)[0].limit == 1


def test_refusals_of_one_burst_are_one_episode() -> None:
    limit, changes = made(start=100)
    reply(limit, refused=60, good=40)

    assert changes == [("refused", 100, 80)]
    assert limit.episodes == 1


def test_after_an_episode_a_clean_round_adds_five_percent() -> None:
    limit, changes = made(start=100)
    reply(limit, refused=1, good=99)
    for _ in range(3):
        reply(limit, good=limit.limit)

    assert changes == [("refused", 100, 80), ("growth", 80, 84), ("growth", 84, 88), ("growth", 88, 92)]


def test_an_episode_shrinks_what_was_under_way_not_what_was_allowed() -> None:
    limit, changes = made(start=20)
    for _ in range(6):
        reply(limit, good=limit.limit)
    changes.clear()
    limit.most = 50
    limit.note_refused(0)

    assert changes == [("refused", 1000, 40)]


def test_a_refused_call_that_was_alone_costs_no_more_than_a_fifth_of_the_start() -> None:
    limit, changes = made(start=20)
    limit.most = 1
    limit.note_refused(0)

    assert changes == [("refused", 20, 16)]


def test_the_limit_never_falls_below_one() -> None:
    limit, _ = made(start=3)
    for _ in range(20):
        reply(limit, refused=12)

    assert limit.limit == 1


def test_from_one_the_limit_grows_again() -> None:
    limit, _ = made(start=1)
    reply(limit, refused=1)
    for _ in range(6):
        reply(limit, good=max(10, limit.limit))

    assert limit.limit > 3


def test_refusals_that_shrinking_does_not_reduce_restore_the_limit() -> None:
    limit, changes = made(start=100)
    reply(limit, refused=10, good=90)  # a tenth of 100
    reply(limit, refused=8, good=72)  # and a tenth of 80

    assert changes == [("refused", 100, 80), ("restored", 80, 100)]
    assert limit.is_ramping


def test_usual_refusals_do_not_stop_the_ramp_and_are_no_news() -> None:
    limit, changes = made(start=100)
    reply(limit, refused=10, good=90)
    reply(limit, refused=8, good=72)
    changes.clear()
    limit.most = 100
    answers = [limit.note_refused(limit.epoch) for _ in range(10)]
    reply(limit, good=90)
    reply(limit, refused=20, good=180)

    assert answers == [True] * 10
    assert changes == [("ramp", 100, 200), ("ramp", 200, 400)]


def test_more_than_usual_refusals_are_an_episode() -> None:
    limit, changes = made(start=100)
    reply(limit, refused=10, good=90)
    reply(limit, refused=8, good=72)
    changes.clear()
    reply(limit, refused=40)

    assert changes == [("refused", 100, 80)]


def test_a_limit_that_was_refused_is_not_tried_again_for_ten_times_the_pause_it_cost() -> None:
    changes = Changes()
    now = 0.0
    limit = Concurrency(100, 1000, lambda: now, changes.note)
    limit.most = 100
    limit.note_refused(0, asked_s=2.0)
    for _ in range(20):
        reply(limit, good=limit.limit)
    assert 90 <= limit.limit < 100

    now = 20.0
    reply(limit, good=limit.limit)
    assert limit.limit >= 100


def test_usual_refusals_are_forgotten_when_they_stop() -> None:
    limit, changes = made(start=100, maximum=100)
    reply(limit, refused=10, good=90)
    reply(limit, refused=8, good=72)
    for _ in range(20):
        reply(limit, good=100)
    changes.clear()
    reply(limit, refused=1)

    assert changes == [("refused", 100, 80)]


def test_fewer_refusals_with_fewer_calls_shrink_it_further() -> None:
    limit, changes = made(start=100)
    reply(limit, refused=28, good=72)  # as if 72 were let through
    reply(limit, refused=8, good=72)
    reply(limit, good=64)

    assert changes == [("refused", 100, 80), ("refused", 80, 64), ("growth", 64, 67)]


def test_where_most_calls_are_refused_nothing_is_restored() -> None:
    limit, changes = made(start=100)
    for _ in range(4):
        reply(limit, refused=limit.limit // 2, good=limit.limit - limit.limit // 2)

    assert [reason for reason, _, _ in changes] == ["refused"] * 4


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_an_endpoint_that_refuses_by_chance_is_used_to_the_full(share: float) -> None:
    chance = random.Random(SEED)
    limit, _ = made(start=20, maximum=1000)
    for _ in range(200):
        epoch, under_way = limit.epoch, limit.limit
        limit.most = under_way
        for _ in range(under_way):
            if chance.random() < share:
                limit.note_refused(epoch)
            else:
                limit.note_good(epoch)

    assert limit.limit >= 800


@pytest.mark.parametrize("capacity", [1, 7, 50, 300])
def test_an_endpoint_that_lets_so_many_through_is_used_about_so_much(capacity: int) -> None:
    limit, _ = made(start=20, maximum=1000)
    sizes = Counter[int]()
    for number in range(600):
        reply(limit, refused=max(0, limit.limit - capacity), good=min(limit.limit, capacity))
        if number >= 100:
            sizes[limit.limit] += 1

    assert max(sizes) <= capacity * 1.3 + 2
    assert min(sizes) >= capacity * 0.6 - 1


@given(st.integers(1, 50), st.integers(1, 300), st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=300))
def test_the_limit_stays_within_its_bounds(start: int, maximum: int, replies: list[tuple[bool, int]]) -> None:
    limit, changes = made(start, maximum)
    for is_good, age in replies:
        limit.most = limit.limit
        (limit.note_good if is_good else limit.note_refused)(max(0, limit.epoch - age))

        assert 1 <= limit.limit <= maximum
        assert not changes or changes[-1][2] == limit.limit
