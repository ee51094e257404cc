"""Access to a data directory, for its owner alone, even if the directory existed before."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_OTHERS = 0o077
# By these, a directory is recognized as one that Evalhaven has used before.
_OURS = {"evalhaven.db", "blobs", "logs", "lock", "secret.key", "grader-environments"}
_OF_FILE_SYSTEM = {"lost+found"}
_FILES = ("evalhaven.db", "evalhaven.db-wal", "evalhaven.db-shm", "lock", "write-turns", "secret.key", "local.token")


class OpenToOthersError(Exception):
    """Other users have access to the data, and that cannot or must not be changed here; the message says what to do."""


def close_to_others(directory: Path) -> list[Path]:
    """Remove all access that users other than the owner have to a data directory and its contents.

    Args:
        directory: An existing directory that is, or is to become, a data directory.

    Returns:
        The paths that were open to others.

    Raises:
        OpenToOthersError: The directory holds files that are not Evalhaven's, or its access cannot be changed.
    """
    closed: list[Path] = []
    if _is_open(directory):
        names = {entry.name for entry in directory.iterdir()} - _OF_FILE_SYSTEM
        is_shared = bool(directory.stat().st_mode & stat.S_ISVTX)
        if names and (is_shared or not names & _OURS):
            raise OpenToOthersError(
                f"Other users have access to {directory}, and it holds more than Evalhaven's data, so its access is "
                f"left unchanged. Choose a separate directory, such as {directory / 'evalhaven-data'}: it is made with "
                "access for its owner only."
            )
        _close(directory, closed)
    for path in _within(directory):
        if _is_open(path):
            _close(path, closed)
    return closed


def _within(directory: Path) -> Iterator[Path]:
    for name in _FILES:
        yield directory / name
    blobs, logs = directory / "blobs", directory / "logs"
    # A directory is closed last, so that a start after an interrupted one looks at its files again.
    if _is_open(logs):
        yield from (*logs.glob("*"), logs)
    if _is_open(blobs):
        yield from (*blobs.glob("*"), *blobs.glob(".*"), *blobs.glob("*/*"), *blobs.glob("*/*/*"))
        yield blobs


def _is_open(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return bool(path.stat().st_mode & _OTHERS)
    return False


def _close(path: Path, closed: list[Path]) -> None:
    status = path.stat()
    refusal = ""
    try:
        path.chmod(status.st_mode & 0o700)
    except FileNotFoundError:
        return
    except OSError as error:
        refusal = f" ({error.strerror})"
    if _is_open(path):
        whose = "you" if status.st_uid == os.geteuid() else f"user {status.st_uid}"
        raise OpenToOthersError(
            f"Other users have access to {path}, and that cannot be changed{refusal}: it belongs to {whose}. Let its "
            f"owner run chmod {stat.S_IMODE(status.st_mode) & 0o700:o} on it, or choose another data directory on a "
            "file system that supports owners; one that does not exist yet is made with access for its owner only."
        )
    closed.append(path)
