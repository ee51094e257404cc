"""The users that hosts become if root starts them: one each, so that hosts share no limits and cannot touch others."""

import os
import secrets
from pathlib import Path

_FIRST, _COUNT = 700_000, 1_000_000
# If a namespace maps few users, choose those that packages and people seldom have.
_FIRST_OF_FEW, _COUNT_OF_FEW = 30_000, 20_000
_CAP_SYS_ADMIN = 21


def is_root() -> bool:
    """Tell whether this process may be able to run its children as other users."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def may_mount() -> bool:
    """Tell whether this process may make namespaces without a namespace of users."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1)
    return False


def pick_user() -> int:
    """Return a random user id, which is most likely not in use."""
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, count = map(int, line.split())
        if inside <= _FIRST and inside + count >= _FIRST + _COUNT:
            return _FIRST + secrets.randbelow(_COUNT)
    return _FIRST_OF_FEW + secrets.randbelow(_COUNT_OF_FEW)
