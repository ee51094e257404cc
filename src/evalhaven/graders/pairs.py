"""Two templates that are compared: `input` with `reference`."""

from collections.abc import Mapping
from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError
from evalhaven.domain.templates import Template, TemplateTooLargeError, parse_template

_TOO_LARGE = Grade(
    score=0.0,
    passed=False,
    error=ItemError("template_too_large", "A template renders to more than 32 million characters.", "template"),
)


@dataclass(frozen=True, slots=True)
class TemplatePair:
    """The templates of a criterion that compares two texts."""

    input: Template
    reference: Template

    def render(self, namespaces: Mapping[str, JsonValue]) -> tuple[str, str] | Grade:
        """Return both texts, or the grade of an item without them: unresolved, or too large.

        Args:
            namespaces: The values of `item` and, if there is one, `sample`.
        """
        try:
            text = self.input.render(namespaces)
            reference = self.reference.render(namespaces)
        except TemplateTooLargeError:
            return _TOO_LARGE
        if text.unresolved or reference.unresolved:
            return Grade(score=0.0, passed=False, unresolved=text.unresolved + reference.unresolved)
        return text.text, reference.text


def parse_pair(text: str, reference: str) -> TemplatePair:
    """Parse the two templates of a criterion."""
    return TemplatePair(parse_template(text), parse_template(reference))
