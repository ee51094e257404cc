"""The vault: what must not be read in the database is encrypted with this installation's key.

It holds the secrets of a run's tools while the run needs them, and whatever else is to be kept in this way: `seal` it,
store the bytes in a column of their own, name that column in `storage/sealed.py`, and `open` it where it is used. Then
keys can be changed (`evalhaven secrets rotate`) without anybody who keeps secrets having to know.
"""

import contextlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue


class VaultError(Exception):
    """Secrets cannot be sealed or opened; the message says why."""


class Vault:
    """Seals values with the keys of one installation: `EVALHAVEN_SECRET_KEY`, or else a key file that it creates.

    Of several keys, the first seals, and all of them open.
    """

    def __init__(self, key_file: Path, keys: str | None = None) -> None:
        """Read nothing yet: most installations never keep a secret.

        Args:
            key_file: Holds the keys if none are given, one a line; created with the first secret, readable by its owner
                alone.
            keys: Keys of 32 bytes in URL-safe base64, separated by commas.
        """
        self._key_file = key_file
        self._keys = keys

    def seal(self, value: JsonValue) -> bytes:
        """Return a value, encrypted and authenticated.

        Raises:
            OSError: The key file cannot be created or read.
            VaultError: A key, given or read, is not valid.
        """
        if self._keys is None and not self._key_file.exists():
            self._make_key()
        return self._fernets()[0].encrypt(jsontext.render(value).encode())

    def open(self, sealed: bytes) -> JsonValue:
        """Return a value that was sealed.

        Raises:
            VaultError: The value was sealed with another key, or the key is gone.
        """
        return jsontext.parse(self._opened(sealed).decode())

    def reseal(self, sealed: bytes) -> bytes | None:
        """Return what was sealed with an older key, sealed with the first one; None: it is already.

        Raises:
            VaultError: The value was sealed with another key, or the key is gone.
        """
        value = self._opened(sealed)
        first = self._fernets()[0]
        try:
            first.decrypt(sealed)
        except InvalidToken:
            return first.encrypt(value)
        return None

    def put_new_key(self) -> bool:
        """Put a new key in front of that of the key file; keep that one, and none before it.

        Processes read the file whenever they need a key. One of them may just be storing what it has sealed with the
        key before, which therefore stays until the next one is made.

        Returns:
            Whether there is a key file; where there is none, nothing was ever sealed.

        Raises:
            OSError: It cannot be replaced.
            VaultError: It is not a key file.
        """
        if not self._key_file.exists():
            return False
        self._fernets()
        before = self._key_file.read_bytes().split()[0]
        with self._written(Fernet.generate_key() + b"\n" + before + b"\n") as part:
            part.rename(self._key_file)
        return True

    def _opened(self, sealed: bytes) -> bytes:
        try:
            return MultiFernet(self._fernets()).decrypt(sealed)
        except InvalidToken:
            raise VaultError("the secrets were encrypted with another key than this server has") from None
        except OSError as error:
            raise VaultError(f"the key {self._key_file} cannot be read: {error.strerror}") from error

    def _fernets(self) -> list[Fernet]:
        keys = self._key_file.read_bytes().split() if self._keys is None else self._keys.split(",")
        try:
            fernets = [Fernet(key) for key in keys]
        except ValueError:
            fernets = []
        if not fernets:
            raise VaultError("the key is not 32 bytes in URL-safe base64")
        return fernets

    def _make_key(self) -> None:
        # Two processes may get here at once, on two machines even: the first to link its key wins.
        with self._written(Fernet.generate_key()) as part, contextlib.suppress(FileExistsError):
            os.link(part, self._key_file)

    @contextlib.contextmanager
    def _written(self, content: bytes) -> Generator[Path]:
        """Write a file beside the key file, which is removed if it is still there afterwards."""
        descriptor, name = tempfile.mkstemp(dir=self._key_file.parent, prefix=f"{self._key_file.name}.")
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                # The values it opens are durable, so the key must be too.
                os.fsync(file.fileno())
            yield part
        finally:
            part.unlink(missing_ok=True)
