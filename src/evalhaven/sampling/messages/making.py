"""What is asked of a model: requests, those that make them, and why there may be none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.samples import ItemError

CHAT_PATH = "/chat/completions"
RESPONSES_PATH = "/responses"


class UnsupportedRequestError(ValueError):
    """What a run asks for cannot be sent to its endpoint; the message says what, and the cure."""


class RequestError(ValueError):
    """There is no request for one item.

    Attributes:
        error: Why.
        unresolved: The placeholders without a value.
    """

    def __init__(self, error: ItemError, unresolved: tuple[str, ...] = ()) -> None:
        super().__init__(error.message)
        self.error = error
        self.unresolved = unresolved


def unsendable(message: str) -> RequestError:
    """Return the error of an item whose messages cannot be sent."""
    return RequestError(ItemError("invalid_messages", message, "data_source"))


class FileContents(Protocol):
    """The files that were uploaded here."""

    def find(self, file_id: str) -> tuple[str, bytes] | None:
        """Return name and content of a file, None for one that is not here."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request that is ready to be sent.

    Attributes:
        body: JSON.
        shown: Its messages as output items show them: `role`, `content` as one string, and tool calls.
        unresolved: The placeholders that were left out of it for want of a value; judges are asked all the same.
    """

    body: bytes
    shown: list[JsonValue]
    unresolved: tuple[str, ...] = ()


class RequestMaker(Protocol):
    """Makes the requests of one run or one judge; compiled once.

    Attributes:
        path: `/chat/completions` or `/responses`.
        adaptations: Sentences on what is sent otherwise than asked for, because of the endpoint.
    """

    @property
    def path(self) -> str: ...  # noqa: D102 - the class says it

    @property
    def adaptations(self) -> tuple[str, ...]: ...  # noqa: D102 - the class says it

    def make(self, namespaces: Mapping[str, JsonValue], files: FileContents) -> ModelRequest:
        """Return the request for one item.

        Args:
            namespaces: The values of `item` and, for judges, `sample`.
            files: Where file ids are looked up.

        Raises:
            RequestError: A placeholder of input messages has no value, or the item's messages cannot be sent.
        """
        ...
