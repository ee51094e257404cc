"""`string_check`: compares two rendered templates; 1.0 and passed, or 0.0 and failed."""

from collections.abc import Callable, Mapping

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError
from evalhaven.domain.templates import TemplateTooLargeError, parse_template
from evalhaven.wire.graders import GraderStringCheck

_PASSED = Grade(score=1.0, passed=True)
_FAILED = Grade(score=0.0, passed=False)
_TOO_LARGE = Grade(
    score=0.0,
    passed=False,
    error=ItemError("template_too_large", "A template renders to more than 32 million characters.", "template"),
)


def _differs(text: str, reference: str) -> bool:
    return text != reference


# The guide of the hosted API once lists `neq` where its schema has `ne`; both mean the same.
OPERATIONS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": _differs,
    "neq": _differs,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}


class StringCheck:
    """A `string_check` criterion."""

    def __init__(self, criterion: GraderStringCheck) -> None:
        self._input = parse_template(criterion.input)
        self._reference = parse_template(criterion.reference)
        self._holds = OPERATIONS[criterion.operation]

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Compare input and reference; a placeholder without a value fails the check."""
        try:
            text = self._input.render(namespaces)
            reference = self._reference.render(namespaces)
        except TemplateTooLargeError:
            return _TOO_LARGE
        if text.unresolved or reference.unresolved:
            return Grade(score=0.0, passed=False, unresolved=text.unresolved + reference.unresolved)
        return _PASSED if self._holds(text.text, reference.text) else _FAILED
