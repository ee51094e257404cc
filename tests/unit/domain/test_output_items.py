"""Facts about the status that grades add up to, and the error that explains it."""

from collections.abc import Sequence

import pytest

from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.statuses import ItemStatus
from tests.unit.storage.stored import FAILED, PASSED, make_item

ERRED, ERRED_LATER = (Grade(0.0, False, error=ItemError(code, "No answer.")) for code in ("first", "second"))


@pytest.mark.parametrize(
    ("grades", "status", "code"),
    [
        ([], ItemStatus.PASS, None),
        ([PASSED, PASSED], ItemStatus.PASS, None),
        ([FAILED, PASSED], ItemStatus.FAIL, None),
        ([PASSED, FAILED], ItemStatus.FAIL, None),
        ([FAILED, ERRED], ItemStatus.ERROR, "first"),
        ([ERRED, FAILED], ItemStatus.ERROR, "first"),
        ([PASSED, ERRED, ERRED_LATER], ItemStatus.ERROR, "first"),
    ],
)
def test_an_error_outweighs_a_failed_criterion_wherever_it_stands(
    grades: Sequence[Grade], status: ItemStatus, code: str | None
) -> None:
    item = make_item(0, grades)

    assert (item.status, item.error_code) == (status, code)


def test_the_error_of_the_sample_outweighs_those_of_grades() -> None:
    item = make_item(0, [ERRED], Sample(error=ItemError("own", "No sample.")))

    assert (item.status, item.error_code) == (ItemStatus.ERROR, "own")
