"""The form of answer that a judge's endpoint can be asked for: as configured, and as found out by asking."""

import re

from evalhaven.domain.samples import ItemError
from evalhaven.graders.asking import AskedFor
from evalhaven.sampling.catalog import Ability, Target

Lacks = frozenset[Ability]

_LESS: tuple[Ability, ...] = ("structured_outputs", "json_mode")
_ITEMS_OWN = frozenset({"context_length_exceeded", "content_filter", "request_too_large"})
_FORM = re.compile(r"response[ _.]?format|text\.format|json[ _]schema|structured output|grammar", re.IGNORECASE)


class AnswerForms:
    """What endpoints turned out not to support, by endpoint and model, for the life of the process."""

    def __init__(self) -> None:
        self._learned: dict[tuple[str, str], Lacks] = {}

    def lacks_of(self, target: Target) -> Lacks:
        """Return what an endpoint does not support for a model, as far as is known."""
        return target.endpoint.lacks | self._learned.get((target.endpoint.name, target.model), frozenset())

    def learn(self, target: Target, lacks: Lacks) -> None:
        """Remember what was left out of a call that an endpoint then answered."""
        self._learned[target.endpoint.name, target.model] = lacks | self.lacks_of(target)


def asked_for(lacks: Lacks) -> AskedFor:
    """Return the form to ask for if this is missing."""
    if "structured_outputs" in lacks:
        return "text" if "json_mode" in lacks else "json_object"
    return "schema" if "strict_schemas" in lacks else "strict_schema"


def find_less(lacks: Lacks) -> Lacks | None:
    """Return the next step down, with less asked for; None if no form is asked for already."""
    for ability in _LESS:
        if ability not in lacks:
            return lacks | frozenset[Ability]([ability])
    return None


def refuses_form(error: ItemError) -> bool:
    """Tell whether an endpoint, by its message, refused a call because of the form of answer that was asked for."""
    is_refusal = error.origin == "sampling" and not error.retryable and error.code not in _ITEMS_OWN
    return is_refusal and _FORM.search(error.message) is not None
