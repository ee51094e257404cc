"""The way to a URL: where the connection goes, through which proxy, and the head of the request."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import certifi

from evalhaven import __version__
from evalhaven.sampling.transport.proxies import PORTS, Proxy, ascii_host, port_of, proxy_of_environment

USER_AGENT = f"evalhaven/{__version__}"
# One line per header; otherwise a value could begin another header, or another request.
_HEADERS = re.compile(r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~]*\r\n)*")


@dataclass(frozen=True, slots=True)
class Origin:
    """What connections are shared by: requests to one origin may go over the same connection."""

    host: str
    port: int
    is_tls: bool
    proxy: Proxy | None

    @property
    def peer(self) -> str:
        """Return host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one URL."""

    origin: Origin
    post_lines: str = field(repr=False)
    get_lines: str = field(repr=False)

    def head(self, headers: Mapping[str, str], body: bytes | None) -> bytes:
        """Return the head of a request: the headers given, and those that HTTP also requires.

        Args:
            headers: Headers, complete but for those of the connection.
            body: What will follow, or None for a GET.

        Raises:
            ValueError: A header is not plain ASCII or has a control character in it. The message does not repeat it.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if _HEADERS.fullmatch(lines) is None or lines.count("\n") != len(headers):
            raise ValueError("a header of the request is not plain ASCII, or has a control character in it")
        if body is None:
            return f"{self.get_lines}{lines}\r\n".encode("ascii")
        return f"{self.post_lines}{lines}Content-Length: {len(body)}\r\n\r\n".encode("ascii")


def route_to(url: str, proxy: Proxy | None, *, trust_env: bool, user_agent: str = USER_AGENT) -> Route:
    """Return the way to a URL; its path and query are sent as they are.

    Args:
        url: An http or https URL without user and password.
        proxy: The proxy for every URL, if there is one.
        trust_env: Whether HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY count where no proxy is given. They never
            count for this machine itself.
        user_agent: How the request names its sender.

    Raises:
        TransportError: The environment's proxy cannot be used.
        ValueError: The URL is not of this kind. The message does not repeat it.
    """
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("the URL of a request begins with http:// or https:// and a host, without user and password")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError("path and query of a request's URL are plain ASCII without spaces; encode others with %")
    host, port = ascii_host(parts), port_of(parts)
    if proxy is None and trust_env:
        proxy = proxy_of_environment(parts.scheme, host, port)
    origin = Origin(host, port, parts.scheme == "https", proxy)
    authority = origin.peer if origin.port != PORTS[parts.scheme] else origin.peer.rpartition(":")[0]
    lines = f" HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\n"
    # Uncompressing a reply of a kilobyte costs more than receiving it.
    lines += "Accept-Encoding: identity\r\n"
    if proxy is not None and not origin.is_tls:  # A tunnel is asked for once, any other request goes to the proxy.
        target = f"http://{authority}{target}"
        if proxy.authorization is not None:
            lines += f"Proxy-Authorization: {proxy.authorization}\r\n"
    return Route(origin, f"POST {target}{lines}", f"GET {target}{lines}")


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what certificates are checked against: the system's authorities, and those of a file besides.

    Raises:
        ValueError: The file cannot be read, or has no certificate in it.
    """
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not _has_ca_directory():
        context.load_verify_locations(certifi.where())  # Small containers have no authorities of their own.
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # also ssl.SSLError
            raise ValueError(f"{ca_file} is not a readable file of certificates in PEM form") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _has_ca_directory() -> bool:
    # OpenSSL reads it when it meets a certificate. It may be None, whatever the stubs say.
    capath = cast("str | None", ssl.get_default_verify_paths().capath)
    return capath is not None and any(Path(capath).iterdir())
