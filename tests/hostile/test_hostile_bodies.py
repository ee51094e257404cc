"""Bodies of every documented operation that takes one, mutated from valid ones, spoiled, or unrelated to it."""

from functools import partial

import pytest

from tests.hostile.attacked import Attacked
from tests.hostile.examples import for_examples
from tests.hostile.forms import Form, named_files, strange_forms
from tests.hostile.mutations import any_json, mutated, spoiled
from tests.hostile.operations import JSON, Operation
from tests.hostile.target import Target
from tests.sizes import SIZES

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(3600)]

_MANY = SIZES.hostile_size
LARGE: dict[str, bytes] = {
    "keys": b"{" + b",".join(b'"k%d":0' % number for number in range(_MANY)) + b"}",
    "numbers": b"[" + b"0," * _MANY + b"0]",
    "texts": b"[" + b'"",' * _MANY + b'"y"]',
    "objects": b"[" + b"{}," * _MANY + b"{}]",
    "repeated keys": b"{" + b'"a":0,' * _MANY + b'"a":0}',
    "levels of many keys": b'{"a":' * 495 + b"{" + b'"b":0,' * (_MANY // 100) + b'"c":0}' + b"}" * 495,
    "one text": b'"' + b"x" * 10 * _MANY + b'"',
    "escapes": b'"' + rb"\u00fc" * _MANY + b'"',
    "blanks": b" " * 10 * _MANY + b"0",
    "brackets in text": b'"' + b"[{" * 5 * _MANY + b'"',
    "placeholders": b'"' + b"{{ item.a }}" * (_MANY * 8 // 10) + b'"',
    "opened placeholders": b'"' + b"{{ item." * _MANY + b'"',
}


def _json_operations(target: Attacked) -> list[Operation]:
    found = [operation for operation in target.operations.values() if operation.body == JSON]
    assert len(found) >= 3
    return found


def _attack(target: Attacked, operation: Operation, body: bytes) -> None:
    answer = target.send(operation, operation.target(target.ids(operation)), content=body)
    if not answer.is_success:
        target.assert_unchanged()
    target.settle(operation, answer)


def test_a_valid_body_with_parts_changed_is_served_or_refused(attacked: Attacked) -> None:
    for operation in _json_operations(attacked):
        # Most of what can be wrong is here.
        count = 6 * attacked.requests
        for_examples(mutated(attacked.bodies[operation.id]), partial(_attack, attacked, operation), count)


def test_a_valid_body_with_bytes_changed_is_served_or_refused(attacked: Attacked) -> None:
    for operation in _json_operations(attacked):
        for_examples(
            spoiled(attacked.bodies[operation.id]), partial(_attack, attacked, operation), 2 * attacked.requests
        )


def test_json_that_has_nothing_to_do_with_the_operation_is_refused(attacked: Attacked) -> None:
    for operation in _json_operations(attacked):
        for_examples(any_json(), partial(_attack, attacked, operation), attacked.requests)


@pytest.mark.parametrize("name", LARGE)
def test_large_values_are_served_or_refused_wherever_they_stand(target: Target, name: str) -> None:
    value = LARGE[name]
    config = b'"data_source_config":{"type":"custom","item_schema":%b}'
    check = b'{"type":"string_check","name":"n","operation":"eq","reference":"","input":%b}'
    multi = b'{"type":"multi","name":"n","calculate_output":"x","graders":%b}'
    label = b'{"type":"label_model","name":"n","model":"m","input":[],"labels":["x"],"passing_labels":%b}'
    inline = b'{"data_source":{"type":"jsonl","source":{"type":"file_content","content":%b}}}'
    bodies = {
        "createEval": [
            value,
            b'{"x":%b,"testing_criteria":[],%b}' % (value, config % b"{}"),
            b'{"metadata":%b,"testing_criteria":[],%b}' % (value, config % b"{}"),
            b'{"testing_criteria":%b,%b}' % (value, config % b"{}"),
            b'{"testing_criteria":[],%b}' % (config % value),
            b'{"testing_criteria":[],%b}' % (config % (b'{"properties":%b}' % value)),
            b'{"testing_criteria":[%b],%b}' % (check % value, config % b"{}"),
            b'{"testing_criteria":[%b],%b}' % (multi % value, config % b"{}"),
            b'{"testing_criteria":[%b],%b}' % (label % value, config % b"{}"),
            b'{"metadata":{%b:""},"testing_criteria":[],%b}' % (value, config % b"{}"),
        ],
        "updateEval": [b'{"name":%b}' % value],
        "createEvalRun": [
            inline % value,
            inline % (b"[%b]" % value),
            inline % (b'[{"item":{"a":%b,"b":"x"}}]' % value),
            inline % (b'[{"item":{"a":"x"},"sample":{"output_text":%b}}]' % value),
            b'{"x":%b,%b' % (value, (inline % b'[{"item":{"a":"x"}}]')[1:]),
        ],
    }
    for operation_id, each in bodies.items():
        for body in each:
            _attack(target, target.operations[operation_id], body)


def _upload(target: Target, form: Form) -> None:
    operation = target.operations["createFile"]
    answer = target.send(operation, b"/v1/files", [(b"content-type", form.type)], form.body)
    if not answer.is_success:
        target.assert_unchanged()
        assert form.content is None, answer.text
    target.settle(operation, answer, form.content)


def test_a_strange_form_is_stored_or_refused(target: Target) -> None:
    for_examples(strange_forms(), partial(_upload, target), 10 * SIZES.hostile_requests)


def test_a_file_of_any_name_is_stored_byte_for_byte(target: Target) -> None:
    for_examples(named_files(), partial(_upload, target), 4 * SIZES.hostile_requests)
