"""The client of authlib with which a provider is asked, as far as it is used here, with types."""

from collections.abc import Mapping
from typing import Any, Protocol, Self, cast

import httpx2

from evalhaven import __version__
from evalhaven.sampling.transport.routes import tls_context

SCOPE = "openid email profile"
_PATIENCE_S = 10.0


class ProviderClient(Protocol):
    """Sends requests to a provider, as the client that this server is to it."""

    token_endpoint_auth_method: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *about: object) -> None: ...

    def create_authorization_url(self, url: str, *, state: str, code_verifier: str, nonce: str) -> tuple[str, str]:
        """Return where a browser logs in, and the state."""
        ...

    async def fetch_token(self, url: str, *, grant_type: str, code: str, code_verifier: str) -> Mapping[str, Any]:
        """Exchange a code.

        Raises:
            OAuthError: The provider refuses it.
            httpx2.HTTPError: It does not answer.
            ValueError: It does not answer with a token.
        """
        ...

    async def request(
        self, method: str, url: str, *, withhold_token: bool, headers: Mapping[str, str] | None
    ) -> httpx2.Response:
        """Send a request."""
        ...


def open_client(client_id: str, client_secret: str | None, redirect_uri: str, *, is_local: bool) -> ProviderClient:
    """Return a client, to be entered.

    Args:
        client_id: What the provider calls this server.
        client_secret: By which it knows that it is this server.
        redirect_uri: Where it sends browsers back to.
        is_local: Whether it is on this machine, where the environment's proxies cannot reach it.
    """
    from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415 - only those who log in need it

    client: Any = AsyncOAuth2Client(
        client_id=client_id,
        client_secret=client_secret,
        scope=SCOPE,
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        timeout=_PATIENCE_S,
        verify=tls_context(None),
        headers={"user-agent": f"evalhaven/{__version__}"},
        trust_env=not is_local,
    )
    return cast("ProviderClient", client)
