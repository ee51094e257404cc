"""What a judge needs from its caller of models: a run, or an endpoint of the API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import Sample

AskedFor = Literal["strict_schema", "schema", "json_object", "text"]
"""The forms of answer that an endpoint can be asked for, the most reliable first."""


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A question to a model whose placeholders differ from item to item.

    Attributes:
        criterion: Name of the testing criterion, for errors.
        model: As the user names it.
        messages: The criterion's `input` as sent.
        params: Its `sampling_params` as sent; empty if it has none.
        answer_format: The form of the answer, as a `response_format`.
    """

    criterion: str
    model: str
    messages: list[JsonValue]
    params: JsonObject
    answer_format: JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge answered, and the form that its endpoint was asked for."""

    sample: Sample
    asked_for: AskedFor


class JudgeModel(Protocol):
    """A model that can be asked about any number of items."""

    @property
    def concurrency(self) -> int:
        """Return how many items are worth asking about at once."""
        ...

    @property
    def adaptations(self) -> tuple[str, ...]:
        """Return sentences that say what is sent differently from the request because of the endpoint."""
        ...

    async def ask(self, namespaces: Mapping[str, JsonValue]) -> Answer:
        """Return the answer, with an error if the call fails and the names of placeholders without a value.

        Args:
            namespaces: The values of `item` and, if there is one, `sample`.
        """
        ...


OpenJudge = Callable[[JudgePrompt], JudgeModel]
"""Compiles a prompt for the endpoint that serves its model.

It raises an UnknownModelError if no endpoint does, and an UnsupportedRequestError if that endpoint cannot be
    asked this way.
"""
