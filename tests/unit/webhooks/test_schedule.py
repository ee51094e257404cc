"""Facts about when a delivery is tried again."""

from dataclasses import replace
from itertools import pairwise

from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.webhooks import Delivery, Event
from evalhaven.webhooks.schedule import GIVES_UP_AFTER_S, next_attempt_at

NEW = Delivery(DEFAULT_PROJECT, 1, Event(1, "eval.run.succeeded", "evalrun_1", 1000), 0, 1000, None, "")


def times_of(delivery: Delivery) -> list[int]:
    """Return when a delivery that always fails is tried, if every attempt is made in time."""
    found: list[int] = []
    at: int | None = 1000
    while at is not None:
        found.append(at)
        at = next_attempt_at(delivery, at)
        delivery = replace(delivery, attempts=delivery.attempts + 1, tried_since=1000)
    return found


def test_attempts_go_on_for_72_hours_at_growing_distances() -> None:
    times = times_of(NEW)
    pauses = [after - before for before, after in pairwise(times)]

    assert 4 <= pauses[0] <= 6
    assert all(after > before for before, after in pairwise(pauses[:7]))
    assert max(pauses) <= 1.2 * 6 * 3600
    assert GIVES_UP_AFTER_S - 1.2 * 6 * 3600 <= times[-1] - 1000 <= GIVES_UP_AFTER_S
    assert len(times) < 30


def test_what_failed_together_does_not_come_back_together() -> None:
    times = {next_attempt_at(replace(NEW, event=replace(NEW.event, key=key), attempts=4), 1000) for key in range(20)}

    assert len(times) > 10
    assert all(at is not None and 0.8 * 405 <= at - 1000 <= 1.2 * 405 + 1 for at in times)


def test_a_delivery_that_waited_for_the_server_for_days_is_tried_for_as_long_as_others() -> None:
    late = 1000 + 10 * GIVES_UP_AFTER_S

    assert next_attempt_at(replace(NEW, tried_since=late), late) is not None
