"""What happened to a run: the moments of its life, each with what there is to say of it."""

from dataclasses import dataclass, field
from typing import Literal

from evalhaven.domain.jsontext import JsonObject, JsonValue

RunEventType = Literal[
    "started",
    "planned",
    "resumed",
    "unreachable",
    "reachable",
    "paused",
    "retried",
    "completed",
    "failed",
    "canceled",
]
"""What can happen to a run after it was created."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened to a run.

    Attributes:
        type: What.
        at: Unix second.
        details: What there is to say of it; the keys depend on the type.
    """

    type: RunEventType
    at: int
    details: JsonObject = field(default_factory=dict[str, JsonValue])
