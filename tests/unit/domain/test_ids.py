"""Facts about public ids: their form, their order, and what they hold."""

import re
from collections.abc import Callable
from uuid import UUID

import pytest

from evalhaven.domain.ids import (
    IdFactory,
    created_at_of,
    is_id_text,
    pack_output_item_id,
    unpack_output_item_id,
)
from tests.unit.domain.still_clock import StillClock, still_ids

NOW = 1_746_133_283


def new_output_item_id(ids: IdFactory) -> str:
    return ids.new_output_item()[0]


MAKERS: list[Callable[[IdFactory], str]] = [
    IdFactory.new_eval_id,
    IdFactory.new_run_id,
    new_output_item_id,
    IdFactory.new_file_id,
]


@pytest.mark.parametrize(
    ("make", "prefix"),
    [
        (IdFactory.new_eval_id, "eval_"),
        (IdFactory.new_run_id, "evalrun_"),
        (new_output_item_id, "outputitem_"),
    ],
)
def test_ids_have_the_hosted_form(make: Callable[[IdFactory], str], prefix: str) -> None:
    ids = IdFactory(StillClock())

    for _ in range(100):
        match = re.fullmatch(rf"{prefix}([0-9a-f]{{8}})[0-9a-f]{{4}}(819[01])[0-9a-f]{{16}}", make(ids))
        assert match is not None
        assert int(match[1], 16) == NOW


def test_an_output_item_gets_the_second_in_its_id() -> None:
    item_id, created_at = IdFactory(StillClock()).new_output_item()

    assert created_at == created_at_of(item_id) == NOW


def test_both_versions_of_the_hosted_form_occur() -> None:
    ids = IdFactory(StillClock())

    assert {ids.new_eval_id()[17:21] for _ in range(100)} == {"8190", "8191"}


def test_file_ids_have_22_base_62_digits() -> None:
    assert re.fullmatch(r"file-[0-9A-Za-z]{22}", IdFactory(StillClock()).new_file_id())
    assert re.fullmatch(r"file-[0-9A-Za-z]{22}", IdFactory(StillClock(float(2**32 - 1))).new_file_id())


@pytest.mark.parametrize("make", MAKERS)
def test_ids_increase_though_the_clock_stands_still(make: Callable[[IdFactory], str]) -> None:
    ids = IdFactory(StillClock())
    made = [make(ids) for _ in range(1000)]

    assert made == sorted(made)
    assert len(set(made)) == 1000


@pytest.mark.parametrize("make", MAKERS)
def test_ids_increase_though_the_clock_runs_backwards(make: Callable[[IdFactory], str]) -> None:
    clock = StillClock()
    ids = IdFactory(clock)
    made: list[str] = []
    for step in range(100):
        clock.time = NOW - step * 10
        made.append(make(ids))

    assert made == sorted(made)
    assert len(set(made)) == 100


@pytest.mark.parametrize("make", MAKERS)
def test_ids_hold_their_second_of_creation(make: Callable[[IdFactory], str]) -> None:
    clock = StillClock(NOW + 0.999)
    ids = still_ids(clock)

    assert created_at_of(make(ids)) == NOW
    clock.time = NOW + 5.25
    assert created_at_of(make(ids)) == NOW + 5


def test_recorded_id_decodes_to_its_second_of_creation() -> None:
    assert created_at_of("eval_6813e1235630819094b3646a860de26f") == NOW


def test_packed_output_item_ids_take_16_bytes() -> None:
    packed = pack_output_item_id("outputitem_67e5796c28e081909917bf79f6e6214d")

    assert len(packed) == 16
    assert unpack_output_item_id(packed) == "outputitem_67e5796c28e081909917bf79f6e6214d"


@pytest.mark.parametrize(
    "foreign",
    [
        "x",
        "outputitem_",
        "outputitem_67E5796C28E081909917BF79F6E6214D",
        "outputitem_67e5796c28e081909917bf79f6e621",
        "67e5796c28e081909917bf79f6e6214d",
        "outputitem_zze5796c28e081909917bf79f6e6214d",
        "item_67e5796c28e081909917bf79f6e6214d",
        "sixteen-letters-",
        "y" * 128,
    ],
)
def test_ids_of_another_form_are_packed_as_longer_text(foreign: str) -> None:
    packed = pack_output_item_id(foreign)

    assert len(packed) > 16
    assert unpack_output_item_id(packed) == foreign


@pytest.mark.parametrize("text", ["eval_1", "!", "~" * 128, "a/b"])
def test_visible_ascii_can_be_an_id(text: str) -> None:
    assert is_id_text(text)


@pytest.mark.parametrize("text", ["", " ", "a b", "é", "a\n", "a\0", "\ud800", "x" * 129])
def test_other_text_can_be_no_id(text: str) -> None:
    assert not is_id_text(text)


def test_a_new_uuid_is_of_version_4_and_unlike_others() -> None:
    ids = IdFactory(StillClock())

    made = [UUID(ids.new_uuid()) for _ in range(100)]

    assert {each.version for each in made} == {4}
    assert len(set(made)) == len(made)


def test_a_request_is_named_by_chance_alone() -> None:
    ids = IdFactory(StillClock(), lambda count: (1 << count) - 1)

    assert ids.new_request_id() == "req_" + 32 * "f"


def test_a_grader_without_a_name_is_named_as_the_hosted_api_does() -> None:
    ids = IdFactory(StillClock())

    names = {ids.new_grader_name() for _ in range(100)}

    assert len(names) == 100
    assert all(re.fullmatch(r"grader-[0-9A-Za-z]{12}", name) for name in names)
