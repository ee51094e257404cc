"""Ids, queries and headers of every documented operation, as no client should send them.

`Target.send` checks each answer for the general facts; the tests here add what each kind of input means.
"""

from functools import partial

import pytest
from hypothesis import strategies as st

from tests.hostile.addresses import HEADERS, SEGMENTS, Headers, near_misses, queries
from tests.hostile.attacked import Attacked
from tests.hostile.examples import for_examples
from tests.hostile.operations import Operation

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(3600)]


def test_every_documented_operation_is_attacked(attacked: Attacked) -> None:
    """A new operation fails here until objects for its path and a valid body are known."""
    assert len(attacked.operations) >= 16
    for operation in attacked.operations.values():
        content, headers = attacked.body(operation)
        answer = attacked.send(operation, operation.target(attacked.ids(operation)), headers, content)
        assert answer.is_success or operation.id in attacked.may_refuse, answer.text
        attacked.settle(operation, answer)


def test_an_id_that_names_nothing_is_not_found_whatever_its_form(attacked: Attacked) -> None:
    for operation in attacked.operations.values():
        if operation.path:
            known = attacked.ids(operation)
            pools = {name: SEGMENTS | st.sampled_from(near_misses(known[name])) for name in operation.path}
            wrong = st.lists(st.sampled_from(operation.path), min_size=1, unique=True).flatmap(
                lambda names, pools=pools: st.fixed_dictionaries({name: pools[name] for name in names})
            )
            for_examples(wrong, partial(_attack_path, attacked, operation, known), attacked.requests)


def _attack_path(target: Attacked, operation: Operation, known: dict[str, str], wrong: dict[str, bytes]) -> None:
    content, headers = target.body(operation)
    answer = target.send(operation, operation.target({**known, **wrong}), headers, content)
    found = {200} if operation.id in target.open_paths else set[int]()
    assert answer.status_code in {404, 405} | found, answer.text
    if operation.writes:
        target.assert_unchanged()


def test_any_query_is_answered_or_refused(attacked: Attacked) -> None:
    for operation in attacked.operations.values():
        for_examples(queries(operation.query), partial(_attack_query, attacked, operation), attacked.requests)


def _attack_query(target: Attacked, operation: Operation, query: bytes) -> None:
    content, headers = target.body(operation)
    answer = target.send(operation, operation.target(target.ids(operation), query), headers, content)
    if answer.status_code == 400 and operation.id not in target.may_refuse:
        assert answer.json()["error"]["param"] in operation.query, answer.text
        target.assert_unchanged()
    else:
        assert answer.is_success or operation.id in target.may_refuse, answer.text
    target.settle(operation, answer)


def test_any_header_is_obeyed_ignored_or_refused(attacked: Attacked) -> None:
    for operation in attacked.operations.values():
        for_examples(HEADERS, partial(_attack_headers, attacked, operation), attacked.requests)


def _attack_headers(target: Attacked, operation: Operation, headers: Headers) -> None:
    content, own = target.body(operation)
    answer = target.send(operation, operation.target(target.ids(operation)), [*own, *headers], content)
    if not answer.is_success:
        target.assert_unchanged()
    target.settle(operation, answer)
