"""Secrets that have to be used again: encrypted with this installation's key for as long as they are needed."""

import contextlib
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue


class VaultError(Exception):
    """Secrets cannot be sealed or opened; the message says why."""


class Vault:
    """Seals values with the key of one installation: `EVALHAVEN_SECRET_KEY`, or else a key file that it creates."""

    def __init__(self, key_file: Path, key: str | None = None) -> None:
        """Read nothing yet: most installations never keep a secret.

        Args:
            key_file: Holds the key if none is given; created with the first secret, readable by its owner alone.
            key: 32 bytes in URL-safe base64.
        """
        self._key_file = key_file
        self._key = key

    def seal(self, value: JsonValue) -> bytes:
        """Return a value, encrypted and authenticated.

        Raises:
            OSError: The key file cannot be created or read.
            VaultError: The key, given or read, is not valid.
        """
        if self._key is None and not self._key_file.exists():
            self._make_key()
        return self._fernet().encrypt(jsontext.render(value).encode())

    def open(self, sealed: bytes) -> JsonValue:
        """Return a value that was sealed.

        Raises:
            VaultError: The value was sealed with another key, or the key is gone.
        """
        try:
            return jsontext.parse(self._fernet().decrypt(sealed).decode())
        except InvalidToken:
            raise VaultError("the secrets were encrypted with another key") from None
        except OSError as error:
            raise VaultError(f"the key {self._key_file} cannot be read: {error.strerror}") from error

    def _fernet(self) -> Fernet:
        key = self._key_file.read_bytes().strip() if self._key is None else self._key
        try:
            return Fernet(key)
        except ValueError:
            raise VaultError("the key is not 32 bytes in URL-safe base64") from None

    def _make_key(self) -> None:
        # Two processes may get here at once, on two machines even: the first to link its key wins.
        descriptor, name = tempfile.mkstemp(dir=self._key_file.parent, prefix=f"{self._key_file.name}.")
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(Fernet.generate_key())
                file.flush()
                # The values it opens are durable, so the key must be too.
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(part, self._key_file)
        finally:
            part.unlink()
