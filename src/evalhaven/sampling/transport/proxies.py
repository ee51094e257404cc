"""Proxies: how one is written, which one the environment names, and for which hosts it is not used."""

import ipaddress
import os
import string
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from evalhaven.sampling.transport.replies import TransportError

PORTS = {"http": 80, "https": 443}
_HOST_CHARS = frozenset(string.ascii_letters + string.digits + "-._:%")  # colon and per cent in IPv6 only

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy."""

    host: str
    port: int
    authorization: str | None = field(repr=False)  # of Proxy-Authorization


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
    return Proxy(ascii_host(parts), port_of(parts), authorization)


def ascii_host(parts: SplitResult) -> str:
    """Return the host of a URL as it is looked up.

    Raises:
        ValueError: The host is not a valid name.
    """
    host = _ascii(parts.hostname or "")
    if not host or not _HOST_CHARS.issuperset(host):
        raise ValueError("a URL has a host that is not a valid name")
    return host


def port_of(parts: SplitResult) -> int:
    """Return the port of a URL.

    Raises:
        ValueError: The port is not a number below 65536.
    """
    try:
        return parts.port or PORTS[parts.scheme]
    except ValueError:
        raise ValueError("a URL has a port that is not a number below 65536") from None


def proxy_of_environment(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names for a host; None if the host is asked directly.

    This machine itself is always asked directly.

    Raises:
        TransportError: The proxy cannot be used.
    """
    if _is_loopback(host):
        return None
    url = _variable(scheme) or _variable("all")
    if not url or is_excepted(host, port, _variable("no")):
        return None
    try:
        return proxy_at(url)
    except ValueError as error:
        raise TransportError("connect", f"the environment's proxy for {host} cannot be used: {error}") from None


def is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether NO_PROXY names a host.

    It is a list, separated by commas, of names (each for those below it too, with or without `*.` or a dot before it),
    addresses, ranges of addresses such as `10.0.0.0/8`, and `*` for all; a name or address may have a port.
    """
    host = host.lower().rstrip(".")
    address = _find_address(host)
    return any(_names(entry.strip().lower(), host, address, port) for entry in no_proxy.split(","))


def _names(entry: str, host: str, address: Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_within(address, entry)
    name, entry_port = _split_port(entry)
    if entry_port and entry_port != str(port):
        return False
    if address is not None:
        return _find_address(name) == address
    name = _ascii(name.removeprefix("*").removeprefix(".").rstrip("."))
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_within(address: Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _ascii(name: str) -> str:
    """Return a name as it is looked up; empty if it is not a valid name."""
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _split_port(entry: str) -> tuple[str, str]:
    """Return host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") > 1:
        return entry, ""
    host, _, port = entry.partition(":")
    return host, port


def _find_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _find_address(host)
    return address is not None and address.is_loopback


def _variable(name: str) -> str:
    variable = f"{name}_proxy"
    return os.environ.get(variable) or os.environ.get(variable.upper(), "")
