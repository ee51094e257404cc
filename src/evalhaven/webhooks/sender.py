"""One attempt to deliver: a request to the address of a webhook, and what became of it.

Redirects are not followed, the environment's proxies are not used, and each connection is made to an address that was
checked itself, whatever its name meant before. Of an answer, the status counts; its first bytes are kept for the log.
"""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import anyio

from evalhaven import __version__
from evalhaven.domain.clock import Clock
from evalhaven.domain.webhooks import Attempt, Webhook, WebhookFormat
from evalhaven.runs.vault import Vault, VaultError
from evalhaven.sampling.transport.interface import NOT_ALLOWED, TransportOptions
from evalhaven.sampling.transport.replies import StreamedReply, TransportError
from evalhaven.webhooks.addresses import SETTING, AddressRules
from evalhaven.webhooks.signing import signature_headers

if TYPE_CHECKING:
    from evalhaven.sampling.transport.client import HttpTransport

TIMEOUT_S = 10.0
"""How long a receiver may take to answer, the connection included."""
GONE = 410

_CONNECT_TIMEOUT_S = 5.0
_REPLY_WITHIN_S = 2.0  # what is kept of an answer whose status is known already
_KEPT_REPLY_BYTES = 1000
_IDLE_S = 15.0
_SUCCESS = range(200, 300)
_REDIRECTS = range(300, 400)
# Receivers of the hosted API's events may look for it.
_STANDARD_AGENT = "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"
_CHAT_AGENT = f"Evalhaven/{__version__}"


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """How webhooks are reached.

    Attributes:
        rules: Where they may be.
        proxy: URL of an HTTP proxy through which all are told; None: none. The proxy then decides what is reached.
        timeout_s: How long a receiver may take to answer.
    """

    rules: AddressRules
    proxy: str | None = None
    timeout_s: float = TIMEOUT_S


class Sender:
    """Tells webhooks; its connections are open while the context is entered, and opened when the first is told."""

    def __init__(self, options: SenderOptions, vault: Vault, clock: Clock) -> None:
        """Connect to nothing yet.

        Args:
            options: How webhooks are reached.
            vault: Opens their secrets.
            clock: The time, which is signed.
        """
        self._options = options
        self._vault = vault
        self._clock = clock
        self._stack = AsyncExitStack()
        self._transports: dict[tuple[bool, bool], HttpTransport] = {}
        self._opening = anyio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        self._transports.clear()
        await self._stack.aclose()

    async def send(self, webhook: Webhook, delivery_id: str, body: bytes) -> Attempt:
        """Make one attempt; whatever goes wrong is what became of it.

        Args:
            webhook: Who is told.
            delivery_id: The same for each attempt.
            body: What is sent.
        """
        at, began = int(self._clock.now()), time.monotonic()
        status, reply, problem = None, "", ""
        try:
            secrets = self._secrets_of(webhook, at)
            headers = {"Content-Type": "application/json", **signature_headers(secrets, delivery_id, at, body)}
            transport = await self._transport_to(webhook)
            async with transport.stream(
                webhook.url, headers, body, self._options.timeout_s, _REPLY_WITHIN_S
            ) as received:
                status = received.status
                latency_ms = _elapsed_ms(began)
                reply = await _beginning_of(received)
        except TransportError as error:
            latency_ms, problem = _elapsed_ms(began), _explain(error)
        except (VaultError, OSError) as error:
            latency_ms = _elapsed_ms(began)
            problem = f"the signing secret cannot be used ({error}): have that key put back, or rotate it for a new one"
        except ValueError as error:
            latency_ms, problem = _elapsed_ms(began), str(error)
        return Attempt(at, latency_ms, status, reply, problem or _problem_with(status))

    def _secrets_of(self, webhook: Webhook, at: int) -> list[str]:
        sealed = [webhook.sealed_secret]
        if webhook.previous_secret is not None and webhook.previous_until is not None and at < webhook.previous_until:
            sealed.append(webhook.previous_secret)
        return [str(self._vault.open(each)) for each in sealed]

    async def _transport_to(self, webhook: Webhook) -> "HttpTransport":
        from evalhaven.sampling.transport.client import open_transport  # noqa: PLC0415 - loads aiohttp

        is_plain = webhook.url.lower().startswith("http:")
        is_chat = webhook.format is not WebhookFormat.STANDARD
        async with self._opening:
            found = self._transports.get((is_plain, is_chat))
            if found is None:
                rules = self._options.rules
                may_connect = rules.may_connect_plainly if is_plain else rules.may_connect
                options = TransportOptions(
                    connect_timeout_s=_CONNECT_TIMEOUT_S,
                    proxy=self._options.proxy,
                    max_idle_s=_IDLE_S,
                    may_connect=may_connect if self._options.proxy is None else None,
                    user_agent=_CHAT_AGENT if is_chat else _STANDARD_AGENT,
                )
                found = await self._stack.enter_async_context(open_transport(options))
                self._transports[is_plain, is_chat] = found
        return found


async def _beginning_of(reply: StreamedReply) -> str:
    """Return the first bytes of an answer as text; one that does not come to its end is what there is of it."""
    received = bytearray()
    try:
        with anyio.move_on_after(_REPLY_WITHIN_S):
            async for part in reply.parts:
                received += part
                if len(received) >= _KEPT_REPLY_BYTES:
                    break
    except TransportError:
        pass
    return bytes(received[:_KEPT_REPLY_BYTES]).decode("utf-8", "replace")


def _problem_with(status: int | None) -> str:
    if status is None or status in _SUCCESS:
        return ""
    if status in _REDIRECTS:
        return f"it answered {status}, and redirects are not followed"
    return f"it answered {status}"


def _explain(error: TransportError) -> str:
    text = str(error)
    return f"{text}; see {SETTING}" if text.endswith(NOT_ALLOWED) else text


def _elapsed_ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
