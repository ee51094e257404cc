"""`string_check`: compares two rendered templates; 1.0 and passed, or 0.0 and failed."""

from collections.abc import Callable, Mapping

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.graders.pairs import parse_pair
from evalhaven.wire.graders import GraderStringCheck

_PASSED = Grade(score=1.0, passed=True)
_FAILED = Grade(score=0.0, passed=False)


def _differs(text: str, reference: str) -> bool:
    return text != reference


# The guide of the hosted API has `neq` in one place, and its schema has `ne`; both mean the same.
OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": _differs,
    "neq": _differs,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}


class StringCheck:
    """A `string_check` criterion."""

    concurrency = 1
    waits = False
    caution = None

    def __init__(self, criterion: GraderStringCheck) -> None:
        self._templates = parse_pair(criterion.input, criterion.reference)
        self._holds = OPERATIONS[criterion.operation]

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Compare input and reference; a placeholder without a value fails the check."""
        texts = self._templates.render(namespaces)
        if isinstance(texts, Grade):
            return texts
        return _PASSED if self._holds(*texts) else _FAILED
