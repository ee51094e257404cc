"""Facts about the fence: a worker begins nothing once others may think it dead, and learns so whenever it looks."""

import pytest

from evalhaven.runs.executing.shared.fence import Fence

LEASE_S = 30.0


class Now:
    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def fence(now: Now) -> Fence:
    fence = Fence(LEASE_S, now)
    fence.begin(now())
    return fence


def test_it_is_shut_before_a_worker_is_registered(now: Now) -> None:
    assert not Fence(LEASE_S, now).is_open


def test_it_shuts_a_lease_after_the_last_heartbeat_was_sent(fence: Fence, now: Now) -> None:
    now.value += 20
    sent_at = now()
    now.value += 5
    fence.extend(sent_at)
    now.value = sent_at + LEASE_S - 0.001
    assert fence.is_open
    now.value = sent_at + LEASE_S
    assert not fence.is_open


def test_a_heartbeat_that_arrives_after_the_lease_does_not_open_it_again(fence: Fence, now: Now) -> None:
    sent_at = now.value = now() + 29
    now.value += 2
    fence.extend(sent_at)
    assert not fence.is_open
    now.value = sent_at
    assert not fence.is_open


def test_an_older_heartbeat_does_not_shorten_it(fence: Fence, now: Now) -> None:
    fence.extend(now() - 10)
    now.value += LEASE_S - 1
    assert fence.is_open


def test_a_worker_that_begins_anew_has_a_lease_of_its_own(fence: Fence, now: Now) -> None:
    fence.shut()
    assert not fence.is_open
    fence.begin(now())
    assert fence.is_open
