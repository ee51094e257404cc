"""Whose word about a request counts: the proxies that a setting names, and the client before the last of them."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_EXAMPLE = "such as 127.0.0.1 or 10.0.0.0/8"


class InvalidProxyError(Exception):
    """A text names no proxy; the message says what to write."""


class TrustedProxies:
    """The addresses whose `X-Forwarded-…` headers are believed.

    Args:
        names: Addresses and networks, as `checked_proxy` accepts them.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._networks: tuple[Network, ...] = tuple(ip_network(name) for name in names)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def is_trusted(self, address: Address) -> bool:
        """Tell whether what comes from an address is believed."""
        return any(address in network for network in self._networks)

    def client_of(self, peer: Address, forwarded_for: Sequence[str]) -> tuple[Address, int]:
        """Return who sent a request, and how many trusted proxies it came through.

        Each proxy adds whom it was asked by, so the list is read from its end, and only as far as trusted proxies
        wrote it: what stands before that is the client's own claim. Where a proxy wrote something that is no address,
        such as `unknown`, it counts as the client itself.

        Args:
            peer: Who opened the connection.
            forwarded_for: The elements of `X-Forwarded-For`, in the order of the header.
        """
        client, hops = peer, 0
        unread = list(forwarded_for)
        while self.is_trusted(client):
            hops += 1
            before = find_address(unread.pop()) if unread else None
            if before is None:
                break
            client = before
        return client, hops


def checked_proxy(name: str) -> str:
    """Return the usual form of an address or a network.

    Raises:
        InvalidProxyError: It is neither, or it is every address there is.
    """
    try:
        network = ip_network(name)
    except ValueError as error:
        cure = f"must be addresses and networks, {_EXAMPLE}, separated by commas, not {name!r}"
        if "host bits set" in str(error):
            cure += f"; its network is {ip_network(name, strict=False)}"
        raise InvalidProxyError(cure) from error
    if network.prefixlen == 0:
        raise InvalidProxyError(
            f"must not be {name}: everybody could then claim any address. Name the proxies' own addresses, {_EXAMPLE}"
        )
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def find_address(text: str) -> Address | None:
    """Return the address in an element of `X-Forwarded-For`, which may have a port; None if there is none.

    An IPv4 address in IPv6 form, as a listener on `::` sees it, comes back as IPv4.
    """
    text = text.strip()
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        is_known = not port or (port[0] == ":" and port[1:].isdecimal())
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        is_known = port.isdecimal()
    else:
        is_known = True
    try:
        address = ip_address(text) if is_known else None
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return None if address.scope_id else address.ipv4_mapped or address
    return address
