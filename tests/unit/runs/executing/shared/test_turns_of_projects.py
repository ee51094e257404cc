"""Facts about which queues a worker asks first: those of the project that has the least here."""

from dataclasses import replace

from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.runs.executing.shared.worker import queues_in_turn
from tests.unit.storage.stored import make_eval, make_run


def run_of(key: int, project: int) -> Run:
    """Return a run of a project."""
    return replace(make_run(make_eval()), key=key, scope=ProjectScope(project))


ACTIVE = [run_of(1, 1), run_of(2, 1), run_of(3, 2)]


def test_the_project_with_the_fewest_chunks_comes_first() -> None:
    assert queues_in_turn(ACTIVE, {}, ()) == [["run:1", "run:2"], ["run:3"]]
    assert queues_in_turn(ACTIVE, {1: 2}, ()) == [["run:3"], ["run:1", "run:2"]]
    assert queues_in_turn(ACTIVE, {1: 1, 2: 1, 3: 3}, ()) == [["run:1", "run:2"], ["run:3"]]


def test_a_run_without_room_is_not_asked_for_but_counts() -> None:
    assert queues_in_turn(ACTIVE, {1: 2}, {1}) == [["run:3"], ["run:2"]]
    assert queues_in_turn(ACTIVE, {1: 2}, {1, 2}) == [["run:3"]]
    assert queues_in_turn(ACTIVE, {}, {1, 2, 3}) == []
