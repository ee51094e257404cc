"""What a transport to endpoints is, and what it is opened with.

Kept apart from `client`, which loads aiohttp: that takes a tenth of a second, and most processes ask no endpoint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from evalhaven.sampling.transport.replies import HttpReply

NOT_ALLOWED = "connections to its address are not allowed"
"""How the error ends of a connection that may not be made."""


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """How endpoints are reached.

    Attributes:
        connect_timeout_s: How long a connection may take in all, with every address, TLS and the proxy's part.
        proxy: URL of an HTTP proxy for every request, or None.
        ca_file: Certificates in PEM form to trust besides the system's, or None.
        max_reply_bytes: The largest body of a reply that is accepted.
        trust_env: Whether the environment's proxies count.
        max_idle_s: How long an unused connection is kept; load balancers commonly drop what is idle for a minute.
        may_connect: Tells of the address at which a connection is about to be made whether it may be; None: any may.
        user_agent: How requests name their sender; None: as Evalhaven.
    """

    connect_timeout_s: float = 10.0
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    ca_file: Path | None = None
    max_reply_bytes: int = 64 * 1024 * 1024
    trust_env: bool = False
    max_idle_s: float = 50.0
    may_connect: Callable[[str], bool] | None = None
    user_agent: str | None = None


class Transport(Protocol):
    """Sends requests and returns replies."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        """Send a body and return the reply.

        A request that finds its kept connection closed is sent again, on a new one.

        Args:
            url: An http or https URL.
            headers: Headers, authentication and content type included.
            body: The body.
            timeout_s: How long it may take from now until the reply is complete.

        Raises:
            TransportError: The request got no reply.
            ValueError: The URL or the headers cannot be sent unchanged.
        """
        ...

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """Ask for a URL and return the reply; arguments and errors are those of `post`."""
        ...
