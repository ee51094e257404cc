"""Where webhooks may be: which addresses are public, and which private ones an operator allows.

Whoever may make a webhook chooses what this server connects to. Without these rules they could reach what only this
machine or its network reaches, such as the metadata service of a cloud.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from evalhaven.domain.errors import InvalidRequestError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SETTING = "EVALHAVEN_WEBHOOK_ALLOW_PRIVATE"
_URL_CHARS = 2048
_CLOSED = tuple(
    ip_network(each)
    for each in (
        "192.0.0.0/24",  # of the network's own protocols; a cloud's metadata too
        "168.63.129.16/32",  # a cloud's services for its machines, at a public address
        "2001::/32",  # Teredo
        "64:ff9b:1::/48",  # translation within a network
        "fec0::/10",  # once for sites
    )
)
_TRANSLATED = IPv6Network("64:ff9b::/96")
_LOW_32 = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Which addresses webhooks may be at: public ones, and these networks.

    Attributes:
        allowed: Networks that are not public and allowed.
    """

    allowed: tuple[Network, ...] = ()

    def may_connect(self, address: str) -> bool:
        """Tell whether a connection with TLS may be made to an address, which is written in digits."""
        found = _parse(address)
        return found is not None and (self._is_allowed(found) or all(map(_is_public, _forms_of(found))))

    def may_connect_plainly(self, address: str) -> bool:
        """Tell whether a connection without TLS may be made to an address: only to one that is allowed by name."""
        found = _parse(address)
        return found is not None and self._is_allowed(found)

    def check_url(self, url: str) -> None:
        """Refuse what cannot be the URL of a webhook here; what a host's name means is checked with every connection.

        Raises:
            InvalidRequestError: It is no such URL.
        """
        parts = _split(url)
        if parts is None or parts.scheme not in ("https", "http") or not parts.hostname or len(url) > _URL_CHARS:
            raise _refused(f"must be an https URL of at most {_URL_CHARS} characters, but is {url[:80]!r}")
        if parts.username is not None or parts.fragment:
            raise _refused("must have no user name, password or fragment; put a secret into its path or query")
        target = f"{parts.path}?{parts.query}"
        if not (target.isascii() and url.isprintable()) or " " in url:
            raise _refused("must be plain ASCII without spaces; encode other characters with %")
        if parts.scheme == "http" and not self.allowed:
            raise _refused(f"must begin with https://. Only private networks that {SETTING} names are told without TLS")
        address = _parse(parts.hostname)
        is_open = self.may_connect_plainly if parts.scheme == "http" else self.may_connect
        if address is not None and not is_open(parts.hostname):
            raise _refused(
                f"names {parts.hostname}, which {self._complaint(parts.scheme)}. Whoever operates this server can "
                f"allow its network in {SETTING}"
            )

    def _is_allowed(self, address: Address) -> bool:
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        meant = address if mapped is None else mapped
        return any(meant in network for network in self.allowed if network.version == meant.version)

    def _complaint(self, scheme: str) -> str:
        return "is in no private network that is allowed" if scheme == "http" else "is not a public address"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return networks that are separated by commas.

    Raises:
        ValueError: One of them is no network; the message says which.
    """
    found: list[Network] = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ip_network(each))
        except ValueError as error:
            raise ValueError(f"must be networks such as 10.1.0.0/16, separated by commas: {error}") from error
    return tuple(found)


def rules_of(networks: Sequence[str]) -> AddressRules:
    """Return the rules that allow networks."""
    return AddressRules(tuple(ip_network(each) for each in networks))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        port = parts.port  # Reading it checks it.
    except ValueError:
        return None
    return None if port == 0 else parts


def _parse(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _forms_of(address: Address) -> Iterator[Address]:
    """Yield an address and those within it, at which a packet to it may arrive."""
    yield address
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address in _TRANSLATED:
            yield IPv4Address(int(address) & _LOW_32)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address in _TRANSLATED):
        return True  # What is within it counts.
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_unspecified)
        and not any(address in network for network in _CLOSED if network.version == address.version)
    )


def _refused(complaint: str) -> InvalidRequestError:
    return InvalidRequestError(f"'url' {complaint}.", param="url", code="invalid_value")
