"""Addresses and keys, which settings and the configuration file have alike; this module loads nothing else.

Every process reads its settings at its start, and most of them ask no models.
"""

from urllib.parse import urlsplit


class InvalidValueError(Exception):
    """A value cannot be used; the message says why and what to do, and does not show it."""


def checked_base_url(url: str) -> str:
    """Return an address as it is written before `/chat/completions`.

    Raises:
        InvalidValueError: The text is not an address.
    """
    base = checked_url(url, "https://api.openai.com/v1").rstrip("/")
    for path in ("/chat/completions", "/responses", "/models"):
        base = base.removesuffix(path)
    return base


def checked_url(url: str, example: str = "http://localhost:9000/answer") -> str:
    """Return an address without a query.

    Args:
        url: The address.
        example: What one looks like.

    Raises:
        InvalidValueError: The text is not an address.
    """
    if not _is_address(url):
        raise InvalidValueError(f"must be an address such as {example}")
    parts = urlsplit(url)
    if parts.username is not None:
        raise InvalidValueError("must not hold a user name or password; a key is given apart")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise InvalidValueError('must end before the question mark; give what follows as `query = { name = "value" }`')
    return url


def checked_key(value: str, place: str) -> str:
    """Return a key that a header can hold.

    Args:
        value: The key, perhaps with space around it.
        place: Where it is, for the error.

    Raises:
        InvalidValueError: A header cannot hold it.
    """
    key = value.strip()
    if not key:
        raise InvalidValueError(f"{place} is empty")
    if not _is_printable(key):
        raise InvalidValueError(f"{place} holds no key: it must be ASCII characters without spaces")
    return key


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Asking for the port checks that it is one.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and _is_printable(url)
    except ValueError:
        return False


def _is_printable(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)
