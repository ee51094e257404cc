"""What proxies say about a request: `X-Forwarded-For`, `-Proto` and `-Host`, from named addresses only.

What is believed takes the place of what the connection shows (`client`, `scheme` and `Host` of the request), and the
headers themselves are removed, so that nothing behind this can read a claim. RFC 7239's `Forwarded` is never read: a
proxy that writes one of the two passes the other on as the client sent it, so who reads both believes the client.
"""

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from evalhaven.api.trusted_proxies import TrustedProxies, find_address

_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_CLAIMS = frozenset({_FOR, _PROTO, _HOST, b"forwarded"})
_SCHEMES = ("http", "https")


class ForwardedHeaders:
    """Believe what trusted proxies say about a request, and remove what anybody else does."""

    def __init__(self, app: ASGIApp, trusted: TrustedProxies) -> None:
        self._app = app
        self._trusted = trusted
        self._was_told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as it was sent by the client."""
        if scope["type"] == "http":
            claims = [header for header in scope["headers"] if header[0] in _CLAIMS]
            if claims:
                scope = self._resolved(scope, claims)
        await self._app(scope, receive, send)

    def _resolved(self, scope: Scope, claims: list[tuple[bytes, bytes]]) -> Scope:
        headers = [header for header in scope["headers"] if header[0] not in _CLAIMS]
        scope = {**scope, "headers": headers}
        peer = find_address(scope["client"][0]) if scope.get("client") else None
        if peer is None or not self._trusted.is_trusted(peer):
            self._tell(scope)
            return scope
        client, hops = self._trusted.client_of(peer, _elements(claims, _FOR))
        if client != peer:
            scope["client"] = (str(client), 0)
        scheme = _said_by_outermost(_elements(claims, _PROTO), hops).lower()
        if scheme in _SCHEMES:
            scope["scheme"] = scheme
        if host := _said_by_outermost(_elements(claims, _HOST), hops):
            given = (b"host", host.encode("latin-1"))
            # A repeated Host stays repeated, and is refused.
            scope["headers"] = [given if name == b"host" else (name, value) for name, value in headers]
        return scope

    def _tell(self, scope: Scope) -> None:
        """Say once that there is a proxy nobody named: logs and limits take it for the client."""
        if not self._was_told:
            self._was_told = True
            sender = scope["client"][0] if scope.get("client") else None
            cure = "if it is your proxy, name it in EVALHAVEN_TRUSTED_PROXIES"
            structlog.get_logger("evalhaven.api").warning("forwarded_headers_ignored", sender=sender, cure=cure)


def _elements(claims: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    """Return the elements of a header, which may come in several lines."""
    lines = [value.decode("latin-1") for each, value in claims if each == name]
    return [element.strip() for line in lines for element in line.split(",") if element.strip()]


def _said_by_outermost(elements: list[str], hops: int) -> str:
    """Return what the trusted proxy that is nearest to the client said; empty if none said anything.

    Proxies that add to the header are as many as its last elements; with one that replaces it there is only one.
    """
    return elements[-min(hops, len(elements))] if elements else ""
