"""Which addresses of a provider of OpenID Connect can be used."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_safe_address(address: str) -> bool:
    """Tell whether nobody on the way to an address can read or change what passes."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # reading it checks it
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(address))


def is_loopback(address: str) -> bool:
    """Tell whether an address is one of this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
