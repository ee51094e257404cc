"""The way to a URL: where the connection goes, through which proxy, and what stands at the top of the request."""

import ipaddress
import os
import ssl
import string
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

import certifi

from evalhaven import __version__
from evalhaven.sampling.transport.http1 import TransportError

_PORTS = {"http": 80, "https": 443}
_HOST_CHARS = frozenset(string.ascii_letters + string.digits + "-._:%")  # colon and per cent in IPv6 only


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy."""

    host: str
    port: int
    authorization: str | None = field(repr=False)  # of Proxy-Authorization

    def tunnel_request(self, authority: str) -> bytes:
        """Return the request for a tunnel to a host and port."""
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", f"User-Agent: evalhaven/{__version__}"]
        if self.authorization is not None:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


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
        """Return the head of a request: the headers given, and what HTTP wants besides.

        Args:
            headers: Headers, complete but for those of the connection.
            body: What will follow, or None for a GET.

        Raises:
            ValueError: A header is not plain ASCII or has a line break. The message does not repeat it.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        # One line a header, or a value would begin a header, or a request, of its own.
        if not lines.isascii() or lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
            raise ValueError("a header of the request is not plain ASCII, or has a line break in it")
        if body is None:
            return f"{self.get_lines}{lines}\r\n".encode("ascii")
        return f"{self.post_lines}{lines}Content-Length: {len(body)}\r\n\r\n".encode("ascii")


def proxy_at(url: str) -> Proxy:
    """Return the proxy at a URL like `http://user:password@host:3128`.

    Raises:
        ValueError: The URL is not one of an HTTP proxy. The message does not repeat it, since it may hold a password.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("a proxy is written as http://host:port or http://user:password@host:port")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(pair.encode()).decode('ascii')}"
    return Proxy(_ascii_host(parts), _port(parts), authorization)


def route_to(url: str, proxy: Proxy | None, *, trust_env: bool) -> Route:
    """Return the way to a URL.

    Args:
        url: An http or https URL without user and password.
        proxy: The proxy for every URL, if there is one.
        trust_env: Whether HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY count where no proxy is given. They never
            count for this machine itself.

    Raises:
        TransportError: The environment's proxy cannot be used.
        ValueError: It is no such URL. The message does not repeat it.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("the URL of a request begins with http:// or https:// and a host, without user and password")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError("path and query of a request's URL are plain ASCII without spaces; encode others with %")
    host = _ascii_host(parts)
    if proxy is None and trust_env and not _is_loopback(host):
        proxy = _proxy_of_environment(parts.scheme, host)
    origin = Origin(host, _port(parts), parts.scheme == "https", proxy)
    authority = origin.peer if origin.port != _PORTS[parts.scheme] else origin.peer.rpartition(":")[0]
    lines = f" HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: evalhaven/{__version__}\r\n"
    # To uncompress a reply of a kilobyte costs more than to receive it.
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
    # OpenSSL looks into it when it meets a certificate. There may be none, whatever the stubs say.
    capath = cast("str | None", ssl.get_default_verify_paths().capath)
    return capath is not None and any(Path(capath).iterdir())


def _ascii_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not host or not _HOST_CHARS.issuperset(host):
        raise ValueError("a URL has a host that is no valid name")
    return host


def _port(parts: SplitResult) -> int:
    try:
        return parts.port or _PORTS[parts.scheme]
    except ValueError:
        raise ValueError("a URL has a port that is no number below 65536") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_of_environment(scheme: str, host: str) -> Proxy | None:
    url = _proxy_variable(scheme) or _proxy_variable("all")
    if not url or _is_excepted(host, _proxy_variable("no")):
        return None
    try:
        return proxy_at(url)
    except ValueError as error:
        raise TransportError("connect", f"the environment's proxy for {host} cannot be used: {error}") from None


def _proxy_variable(name: str) -> str:
    variable = f"{name}_proxy"
    return os.environ.get(variable) or os.environ.get(variable.upper(), "")


def _is_excepted(host: str, no_proxy: str) -> bool:
    """Tell whether a host is in NO_PROXY: a list of names, each also for the names below it, or `*`."""
    names = [name.strip().lower().removeprefix("*").removeprefix(".") for name in no_proxy.split(",")]
    if no_proxy.strip() == "*":
        return True
    return any(name and (host == name or host.endswith(f".{name}")) for name in names)
