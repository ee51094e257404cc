"""The way to the endpoints: a transport for each way of reaching them, and what a failure to is called."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from evalhaven.domain.errors import UpstreamFailedError, UpstreamLateError
from evalhaven.domain.masking import Secrets
from evalhaven.sampling.catalog import Endpoint
from evalhaven.sampling.scripted.endpoint import ScriptedTransport
from evalhaven.sampling.secrets import secrets_of
from evalhaven.sampling.transport.interface import TransportOptions
from evalhaven.sampling.transport.replies import StreamedReply, TransportError

if TYPE_CHECKING:
    from evalhaven.sampling.transport.client import HttpTransport

_CURE = "See that it is up and can be reached from this server; `evalhaven doctor` asks every endpoint."


class GatewayEndpoints:
    """The endpoints as the gateway asks them: once a call, without a limit, since its clients retry themselves.

    Used while its context is entered.
    """

    def __init__(self) -> None:
        """Open nothing yet."""
        self._stack = AsyncExitStack()
        self._transports: dict[TransportOptions, HttpTransport] = {}
        self._scripts: dict[str, ScriptedTransport] = {}
        self._secrets: dict[str, Secrets] = {}

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._transports.clear()
        await self._stack.__aexit__(kind, error, at)

    def secrets_of(self, endpoint: Endpoint) -> Secrets:
        """Return what no text of an endpoint may show."""
        found = self._secrets.get(endpoint.name)
        if found is None:
            found = self._secrets[endpoint.name] = secrets_of(endpoint)
        return found

    @asynccontextmanager
    async def ask(
        self, endpoint: Endpoint, path: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[StreamedReply]:
        """Send a request and yield the reply as soon as its head is there.

        Args:
            endpoint: Where it is sent.
            path: Such as `/chat/completions`.
            headers: All of them but those of the connection.
            body: JSON.

        Raises:
            UpstreamFailedError: The endpoint cannot be reached, or sent no reply.
            UpstreamLateError: Its reply has not begun in time.
        """
        transport = await self._transport_to(endpoint)
        has_begun = False
        try:
            async with transport.stream(
                endpoint.url_of(path), headers, body, endpoint.timeout_s, endpoint.timeout_s
            ) as reply:
                has_begun = True
                yield reply
        except TransportError as error:
            if has_begun:
                raise
            raise self._failure(endpoint, error) from error

    async def _transport_to(self, endpoint: Endpoint) -> "HttpTransport | ScriptedTransport":
        if endpoint.script is not None:
            script = self._scripts.get(endpoint.name)
            if script is None:
                script = self._scripts[endpoint.name] = ScriptedTransport(endpoint.script)
            return script
        transport = self._transports.get(endpoint.transport)
        if transport is None:
            from evalhaven.sampling.transport.client import HttpTransport  # noqa: PLC0415 - loads aiohttp

            transport = self._transports[endpoint.transport] = HttpTransport(endpoint.transport)
            await self._stack.enter_async_context(transport)
        return transport

    def _failure(self, endpoint: Endpoint, error: TransportError) -> UpstreamFailedError | UpstreamLateError:
        # A reply that is not HTTP may repeat what was sent.
        said = self.secrets_of(endpoint).hide(str(error))
        if error.kind == "timeout":
            return UpstreamLateError(
                f"Endpoint {endpoint.name!r} is too slow: {said}. Where models think longer, raise its `timeout_s`.",
                param="model",
                code="endpoint_timeout",
            )
        return UpstreamFailedError(
            f"Endpoint {endpoint.name!r} gave no answer: {said}. {_CURE}", param="model", code="endpoint_unreachable"
        )
