"""Values of the configuration that must be right before anything is sent: addresses, headers, keys, files."""

import re
from collections.abc import Mapping
from pathlib import Path

from evalhaven.sampling.catalog import HOP_HEADER
from evalhaven.sampling.configuration.keys import InvalidValueError
from evalhaven.sampling.configuration.tables import Text
from evalhaven.sampling.transport.proxies import proxy_at
from evalhaven.sampling.transport.routes import tls_context

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        HOP_HEADER,
    }
)
_SECRET_HEADERS = re.compile(r"authorization|cookie|.*(key|token|secret).*")


def checked_proxy(url: str) -> str:
    """Return the address of a proxy; "" for "none".

    Raises:
        InvalidValueError: The text is not the address of a proxy.
    """
    if url == "none":
        return ""
    try:
        proxy_at(url)
    except ValueError as error:
        raise InvalidValueError('must be an address such as http://proxy.example.org:3128, or "none"') from error
    return url


def checked_header(name: str, kind: str, value: str) -> str:
    """Return the value of a header that a request may carry.

    Args:
        name: Its name.
        kind: Where the value is: `literal` for the configuration itself.
        value: The value.

    Raises:
        InvalidValueError: A request may not carry it.
    """
    if not _TOKEN.fullmatch(name):
        raise InvalidValueError("is not a valid name of a header")
    if name.lower() in _OWN_HEADERS:
        raise InvalidValueError("is a header that Evalhaven sets by itself; leave it out")
    if kind == "literal" and _SECRET_HEADERS.fullmatch(name.lower()):
        raise InvalidValueError('holds a key, which does not belong in this file; write { env = "NAME" }')
    if not all(" " <= character <= "~" for character in value):
        raise InvalidValueError("must be printable ASCII characters")
    return value


class TextReader:
    """Reads what the configuration file leaves to the environment and to other files."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Read nothing yet.

        Args:
            directory: Where relative paths begin.
            environment: The variables.
        """
        self._directory = directory
        self._environment = environment

    def read(self, text: Text) -> str:
        """Return a text from its place.

        Raises:
            InvalidValueError: The text is not there.
        """
        if text.kind == "env":
            return self.variable(text.value)
        return self.content(text.value).strip() if text.kind == "file" else text.value

    def variable(self, name: str) -> str:
        """Return a variable of the environment that is set and not empty.

        Raises:
            InvalidValueError: The variable is not set, or is empty.
        """
        value = self._environment.get(name, "")
        if not value.strip():
            # A key written instead of a name would be shown, and keys are hardly ever upper case.
            shown = f"the environment variable {name}" if name == name.upper() else "the environment variable it names"
            raise InvalidValueError(f"{shown} is not set. Set it where the server starts, or remove the endpoint")
        return value

    def content(self, path: str) -> str:
        """Return what a file holds.

        Raises:
            InvalidValueError: The file cannot be read.
        """
        try:
            return self._path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidValueError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InvalidValueError(f"{path} is not UTF-8 text") from error

    def authorities(self, path: str) -> Path:
        """Return the path of a file of certificates.

        Raises:
            InvalidValueError: The path is not a readable file of certificates.
        """
        try:
            tls_context(self._path(path))
        except ValueError as error:
            raise InvalidValueError(f"{path} is not a readable file of certificates in PEM form") from error
        return self._path(path)

    def _path(self, path: str) -> Path:
        return self._directory / Path(path).expanduser()
