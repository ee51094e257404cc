"""Requests generated from the published document: none fails, nothing undocumented comes back, valid ones are taken."""

import copy
from typing import Any

import pytest

from tests.docs.deviations import read_deviations
from tests.figures import Say
from tests.generated.traffic import ROUND, Record, Traffic, without_unserved
from tests.server import Server
from tests.sizes import SEED, SIZES

# Whichever test comes first sends everything.
pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(14_400)]

DEVIATIONS = read_deviations()
WITH_INPUT = {operation for operation, (_, broken) in ROUND.items() if broken}
NEVER_TAKEN = {"cancelResponse"}  # no response is made in the background


@pytest.fixture(scope="module")
def traffic(server: Server, published: dict[str, Any], neighbours: dict[str, Any], document: dict[str, Any]) -> Traffic:
    refusals = [each for deviation in DEVIATIONS for each in deviation.refusals]
    served = [without_unserved(each, document) for each in (published, neighbours)]
    return Traffic(served, document, f"{server.url}/v1", refusals)


@pytest.fixture(scope="module")
def record(traffic: Traffic) -> Record:
    """Send everything, once for all tests of this module; each answer is checked when it comes."""
    traffic.run(SIZES.generated_requests, SEED, SIZES.generated_round)
    return traffic.record


def test_no_request_fails_and_every_answer_is_documented(record: Record, say: Say) -> None:
    say(record.describe())
    assert record.sent >= SIZES.generated_requests
    assert {operation for operation, _ in record.statuses} == set(ROUND)
    assert [status for _, status in record.statuses if status >= 500] == []


def test_valid_requests_to_existing_objects_are_accepted_unless_a_deviation_says_so(record: Record) -> None:
    assert [operation for operation in NEVER_TAKEN if record.accepted[operation]] == []
    assert ROUND.keys() == record.valid.keys()
    taken = {
        operation: record.accepted[operation] / record.valid[operation] for operation in ROUND.keys() - NEVER_TAKEN
    }
    # Generators like empty text and numbers below 1, so that what may be refused is refused often.
    assert {operation: share for operation, share in taken.items() if share < 0.2} == {}
    assert {operation for operation, share in taken.items() if share < 1} <= WITH_INPUT
    assert record.valid.total() == record.accepted.total() + record.refusals.total()
    assert set(record.refusals) <= {each.id for each in DEVIATIONS}


def test_requests_reach_objects_and_runs_are_executed(record: Record, traffic: Traffic) -> None:
    for eval_id, run_id in list(traffic.known.runs):
        items = traffic.wait_for_items(eval_id, run_id)
        traffic.known.learn("getEvalRunOutputItems", {}, items)
    assert record.valid.total() > record.sent / 2
    assert record.statuses["getEvalRunOutputItem", 200] > record.sent / 100
    assert len(traffic.known.items) >= 6


def test_an_answer_that_the_document_lacks_is_seen(
    server: Server, published: dict[str, Any], document: dict[str, Any]
) -> None:
    poorer = copy.deepcopy(document)
    del poorer["paths"]["/v1/evals"]["get"]["responses"]["200"]

    with pytest.raises(AssertionError, match="a status that the document lacks"):
        Traffic([without_unserved(published, document)], poorer, f"{server.url}/v1", []).run(1, SEED)


def test_an_answer_of_another_shape_is_seen(
    server: Server, published: dict[str, Any], document: dict[str, Any]
) -> None:
    stricter = copy.deepcopy(document)
    stricter["components"]["schemas"]["EvalList"]["required"].append("total")

    with pytest.raises(AssertionError, match="total"):
        Traffic([without_unserved(published, document)], stricter, f"{server.url}/v1", []).run(1, SEED)


def test_a_valid_request_that_is_refused_without_a_reason_is_seen(
    server: Server, published: dict[str, Any], document: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="a valid request is refused, and no deviation says so"):
        Traffic([without_unserved(published, document)], document, f"{server.url}/v1", []).run(1, SEED)
