"""Where a file is called from: its place on this machine, and the commit of its repository."""

import platform
import subprocess
from hashlib import sha256
from pathlib import Path

_TIMEOUT_S = 5.0
_MOST_CHARS = 200
_CHARS = 16


def origin_of(path: Path) -> str:
    """Return a short name of a file on this machine, which says nothing else about either."""
    return sha256(f"{platform.node()}:{path.resolve()}".encode()).hexdigest()[:_CHARS]


def commit_metadata(directory: Path) -> dict[str, str]:
    """Return commit and branch of the git repository around a directory, as metadata; nothing where there is none."""
    told = {
        "evalhaven_commit": _git(directory, "rev-parse", "HEAD"),
        "evalhaven_branch": _git(directory, "rev-parse", "--abbrev-ref", "HEAD"),
    }
    # A checkout of a pull request is on no branch.
    return {key: text[:_MOST_CHARS] for key, text in told.items() if text and text != "HEAD"}


def _git(directory: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments, and no shell
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - the git that the user works with
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
