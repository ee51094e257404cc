"""Responses of endpoints that have chat completions only."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from evalhaven.api.gateway.conversations import input_items, without_private_thoughts
from evalhaven.api.gateway.delivery import read_whole
from evalhaven.api.gateway.headers import is_stream
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError, UpstreamFailedError
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject
from evalhaven.sampling.catalog import Target
from evalhaven.sampling.messages.making import Path, UnsupportedRequestError
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError
from evalhaven.sampling.protocols.translated.replies import Echo, response_of
from evalhaven.sampling.protocols.translated.requests import chat_request_of
from evalhaven.sampling.protocols.translated.streams import ResponseStream
from evalhaven.sampling.transport.replies import StreamedReply, TransportError

_LENGTHS = frozenset({"content-encoding", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Translation:
    """A response asked for as a chat completion.

    Attributes:
        request: The request for the chat completion, JSON.
    """

    request: bytes = field(repr=False)
    _echo: Echo = field(repr=False)
    _target: Target

    @classmethod
    def of(cls, request: JsonObject, target: Target, response_id: str, created_at: int) -> "Translation":
        """Translate a request.

        Args:
            request: For a response.
            target: The model to ask.
            response_id: The id of the response.
            created_at: Its Unix second.

        Raises:
            InvalidRequestError: Something in it has no place in chat completions.
        """
        asked: JsonObject = {**request, "input": without_private_thoughts(input_items(request.get("input")))}
        try:
            body = chat_request_of(asked, target)
        except UnsupportedRequestError as error:
            raise InvalidRequestError(str(error), param=_param(error.at), code="unsupported_parameter") from error
        return cls(jsontext.render(body).encode(), Echo(response_id, created_at, request), target)

    async def translated(self, reply: StreamedReply) -> StreamedReply:
        """Return a successful reply as one to the request for a response.

        Raises:
            UpstreamFailedError: It is no chat completion.
            TransportError: It was cut off.
        """
        headers = {name: value for name, value in reply.headers.items() if name not in _LENGTHS}
        if is_stream(reply.headers):
            return StreamedReply(reply.status, headers, self._events_of(reply.parts))
        body = await read_whole(reply, self._target.endpoint.transport.max_reply_bytes)
        try:
            completion = jsontext.parse_reply(body)
            if not isinstance(completion, dict):
                raise UnusableReplyError("it is not a JSON object")  # noqa: TRY301 - as every other fault of it
            content = jsontext.render(response_of(completion, self._echo)).encode()
        except (InvalidJsonError, UnusableReplyError) as error:
            raise UpstreamFailedError(
                f"Endpoint {self._target.endpoint.name!r} answered {reply.status}, but not with a chat completion: "
                f"{error}.",
                param="model",
                code="endpoint_failed",
            ) from error
        return StreamedReply(reply.status, {**headers, "content-length": str(len(content))}, _one_part(content))

    async def _events_of(self, parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        stream = ResponseStream(self._echo)
        try:
            async for part in parts:
                if said := stream.feed(part):
                    yield said
            if said := stream.finish():
                yield said
        except UnusableReplyError as error:
            # The client has the beginning of an answer, so this is as good as a cut.
            raise TransportError("malformed", str(error)) from error


async def _one_part(content: bytes) -> AsyncGenerator[bytes]:
    yield content


def _param(at: Path) -> str:
    """Return a path as the parameter of an error: `input[0].content`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at).removeprefix(".")
