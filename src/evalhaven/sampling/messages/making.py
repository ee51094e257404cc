"""What is asked of a model: requests, those that make them, and why there may be none."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.samples import ItemError

CHAT_PATH = "/chat/completions"
RESPONSES_PATH = "/responses"
ITEM_PATH = ""  # an application has one address


Path = tuple[str | int, ...]
"""Keys and indexes from a document down to one of its values."""


class UnsupportedRequestError(ValueError):
    """The request of a run or a judge cannot be sent to its endpoint; the message says why, and the cure.

    Attributes:
        at: Where the cause is: `messages`, `sampling_params` or `extra_body`, and the path from there.
    """

    def __init__(self, message: str, *at: str | int) -> None:
        super().__init__(message)
        self.at: Path = at


class RequestError(ValueError):
    """There is no request for one item.

    Attributes:
        error: Why.
        unresolved: The placeholders without a value.
        at: Where in the messages the cause is; empty if they are at fault as a whole.
    """

    def __init__(self, error: ItemError, unresolved: tuple[str, ...] = (), at: Path = ()) -> None:
        super().__init__(error.message)
        self.error = error
        self.unresolved = unresolved
        self.at = at

    def inside(self, *at: str | int) -> "RequestError":
        """Return the error with the path to what surrounds its cause put in front."""
        self.at = (*at, *self.at)
        return self


def unsendable(message: str, *at: str | int) -> RequestError:
    """Return the error of an item whose messages cannot be sent.

    Args:
        message: Why.
        at: Where the cause is; callers that know what surrounds it put that path in front.
    """
    return RequestError(ItemError("invalid_messages", message, "data_source"), at=at)


class FileContents(Protocol):
    """The files that were uploaded here."""

    def find(self, file_id: str) -> tuple[str, bytes] | None:
        """Return name and content of a file; None for one that is not here."""
        ...


class ModelRequest(msgspec.Struct, frozen=True):
    """A request that is ready to be sent.

    Attributes:
        body: JSON.
        shown: Its messages as output items show them: `role`, `content` as one string, and tool calls.
        unresolved: The placeholders that were left out because they have no value; judges are asked anyway.
    """

    body: bytes
    shown: list[JsonValue]
    unresolved: tuple[str, ...] = ()


class RequestMaker(Protocol):
    """Makes the requests of one run or one judge; compiled once.

    Attributes:
        path: `/chat/completions` or `/responses`; "" for an application.
        adaptations: Sentences that say what is sent differently from the request because of the endpoint.
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
