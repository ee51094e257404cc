"""What the creation of evals and of runs have in common."""

from collections.abc import Sequence

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Caution


def unknown_key_cautions(pointers: Sequence[str]) -> list[Caution]:
    """Return a caution for each key that the contract does not know.

    The hosted API ignored such keys in silence; they are accepted all the same.
    """
    return [
        Caution(pointer, f"Unknown key {pointer.rpartition('/')[2]!r}: accepted, but without effect.")
        for pointer in pointers
    ]


def refuse_cautions(cautions: Sequence[Caution], *, strict: bool) -> None:
    """Refuse, where the caller asked for it, what can never resolve.

    Raises:
        InvalidRequestError: `strict` is set and there are cautions; the first is named.
    """
    if strict and cautions:
        first = cautions[0]
        param = first.pointer.removeprefix("/").replace("/", ".")
        raise InvalidRequestError(f"'{param}': {first.message}", param=param, code="unresolvable_template")
