"""What the `evalhaven` keys of responses have in common."""

from evalhaven.wire.contract import OpenObject


class DocumentWarning(OpenObject):
    """Tell what was accepted in a document though it has no effect or cannot work.

    `pointer` is the JSON Pointer (RFC 6901) of the place, `message` says what is wrong and the cure.
    """

    pointer: str
    message: str


class EvalExtension(OpenObject):
    """Hold what Evalhaven tells of an eval beyond the published contract."""

    warnings: list[DocumentWarning]


class EvalRunExtension(OpenObject):
    """Hold what Evalhaven tells of a run beyond the published contract.

    `items_planned` is null until it is known; times are Unix seconds, null until they happen;
    `unresolved` counts items in which a placeholder of a criterion did not resolve.
    """

    items_planned: int | None
    started_at: int | None
    ended_at: int | None
    warnings: list[DocumentWarning]
    unresolved: int


class EvalRunOutputItemExtension(OpenObject):
    """Hold what Evalhaven tells of an output item or of one result in it; the keys are open."""
