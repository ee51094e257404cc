"""What a judge needs of whoever calls models for it: a run, or an endpoint of the API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import Sample

AskedFor = Literal["strict_schema", "schema", "json_object", "text"]
"""The form of answer that an endpoint can be asked for, the surest first."""


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A question to a model whose placeholders differ from item to item.

    Attributes:
        criterion: Name of the testing criterion, for errors.
        model: As the user names it.
        messages: The criterion's `input` as sent.
        params: Its `sampling_params` as sent; empty where it has none.
        answer_format: What the answer has to be, as a `response_format`.
    """

    criterion: str
    model: str
    messages: list[JsonValue]
    params: JsonObject
    answer_format: JsonObject


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge said, and the form that its endpoint was asked for."""

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
        """Return sentences on what is sent otherwise than asked for, because of the endpoint."""
        ...

    async def ask(self, namespaces: Mapping[str, JsonValue]) -> Answer:
        """Return the answer; what goes wrong is its error, and placeholders without a value are named in it.

        Args:
            namespaces: The values of `item` and, where there is one, `sample`.
        """
        ...


OpenJudge = Callable[[JudgePrompt], JudgeModel]
"""Compiles a prompt for the endpoint that serves its model.

It raises an UnknownModelError where there is none, and an UnsupportedRequestError where that one cannot be asked so.
"""
