"""Where the server is, and what leads to it."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from evalhaven.client.errors import ClientError

# An answer about a large run may take a while, but connecting to a server that is up does not.
_TIMEOUT = httpx2.Timeout(120.0, connect=10.0)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a server, and the key that it is shown.

    Attributes:
        url: Without `/v1` and without a slash at the end.
        api_key: Sent with each request; None for none.
    """

    url: str
    api_key: str | None

    def open_client(self) -> httpx2.Client:
        """Open a client of this server."""
        return httpx2.Client(base_url=self.url, headers=self._headers, timeout=_TIMEOUT, trust_env=not self._is_local)

    def open_async_client(self) -> httpx2.AsyncClient:
        """Open a client of this server for an event loop."""
        return httpx2.AsyncClient(
            base_url=self.url, headers=self._headers, timeout=_TIMEOUT, trust_env=not self._is_local
        )

    @property
    def _headers(self) -> dict[str, str]:
        return {} if self.api_key is None else {"authorization": f"Bearer {self.api_key}"}

    @property
    def _is_local(self) -> bool:
        """Tell whether this machine is meant, which the environment's proxies cannot reach."""
        return urlsplit(self.url).hostname in _LOOPBACK


def place_of(base_url: str | None, api_key: str | None) -> Place:
    """Return where the server is: as given, else as EVALHAVEN_URL or OPENAI_BASE_URL says.

    A key is taken from the environment together with the address, so that none is shown to another server.

    Raises:
        ClientError: Neither says where it is, or it is no address.
    """
    for url, key in (
        (base_url, "EVALHAVEN_API_KEY"),
        (os.environ.get("EVALHAVEN_URL"), "EVALHAVEN_API_KEY"),
        (os.environ.get("OPENAI_BASE_URL"), "OPENAI_API_KEY"),
    ):
        if url:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ClientError(f"{url!r} is no address of a server; one is http://127.0.0.1:8765, for example.")
            # SDKs want the address with /v1, and users copy it from there.
            return Place(url.rstrip("/").removesuffix("/v1"), api_key or os.environ.get(key) or None)
    raise ClientError(
        "Nothing says where the server is: name it, as in Client('http://127.0.0.1:8765'), or set EVALHAVEN_URL."
    )
