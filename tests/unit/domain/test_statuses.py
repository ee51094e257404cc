"""Facts about statuses and the moves between them."""

import itertools

import pytest

from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.errors import IllegalRunTransitionError
from evalhaven.domain.ids import EvalId, RunId
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.statuses import ACTIVE_RUN_STATUSES, ITEM_STATUS_FILTERS, ItemStatus, RunStatus

QUEUED, IN_PROGRESS = RunStatus.QUEUED, RunStatus.IN_PROGRESS
COMPLETED, CANCELED, FAILED = RunStatus.COMPLETED, RunStatus.CANCELED, RunStatus.FAILED
LEGAL = {
    (QUEUED, IN_PROGRESS),
    (QUEUED, CANCELED),
    (QUEUED, FAILED),
    (IN_PROGRESS, COMPLETED),
    (IN_PROGRESS, CANCELED),
    (IN_PROGRESS, FAILED),
}
ILLEGAL = set(itertools.product(RunStatus, RunStatus)) - LEGAL


def make_run(status: RunStatus) -> Run:
    """Return a run in a status."""
    return Run(
        id=RunId("evalrun_1"),
        eval_id=EvalId("eval_1"),
        eval_key=1,
        scope=DEFAULT_PROJECT,
        created_at=1,
        name="r",
        model="",
        metadata={},
        data_source=DataSource({}),
        status=status,
    )


@pytest.mark.parametrize(("old", "new"), sorted(LEGAL))
def test_legal_moves_change_the_status(old: RunStatus, new: RunStatus) -> None:
    assert make_run(old).to(new, 5).status is new


@pytest.mark.parametrize(("old", "new"), sorted(ILLEGAL))
def test_illegal_moves_are_refused(old: RunStatus, new: RunStatus) -> None:
    with pytest.raises(IllegalRunTransitionError, match=f"is {old} and cannot become {new}"):
        make_run(old).to(new, 5)


def test_a_run_knows_when_it_started_and_ended_and_why_it_failed() -> None:
    started = make_run(QUEUED).to(IN_PROGRESS, 5)
    failed = started.to(FAILED, 9, ItemError("c", "m"))

    assert (started.started_at, started.ended_at, started.error) == (5, None, None)
    assert (failed.started_at, failed.ended_at, failed.error) == (5, 9, ItemError("c", "m"))


def test_a_run_is_final_unless_it_is_queued_or_in_progress() -> None:
    assert {status for status in RunStatus if not status.is_final} == ACTIVE_RUN_STATUSES == {QUEUED, IN_PROGRESS}


def test_item_statuses_have_the_contract_words() -> None:
    assert [status.wire for status in (ItemStatus.PASS, ItemStatus.FAIL, ItemStatus.ERROR)] == ["pass", "fail", "error"]


def test_filters_take_both_spellings() -> None:
    assert ITEM_STATUS_FILTERS["fail"] is ITEM_STATUS_FILTERS["failed"] is ItemStatus.FAIL
    assert ITEM_STATUS_FILTERS["pass"] is ITEM_STATUS_FILTERS["passed"] is ItemStatus.PASS
    assert ITEM_STATUS_FILTERS["error"] is ITEM_STATUS_FILTERS["errored"] is ItemStatus.ERROR
