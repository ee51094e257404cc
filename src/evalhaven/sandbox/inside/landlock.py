"""Landlock: the process can open what is granted and nothing else, whatever the file permissions say.

Source: Documentation/userspace-api/landlock.rst of Linux; the numbers of these system calls are the same everywhere.
"""

import ctypes
import os
import stat
import struct

from evalhaven.sandbox.inside.kernel import LIBC, check

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12  # character device, socket, fifo, block device, link
_TRUNCATE, _DEVICE_IOCTL = 1 << 14, 1 << 15
_FOR_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_IOCTL
# Rights on files of each version: those below 1 << 13 came with the first; the fourth added TCP, the sixth scopes.
_REFER_SINCE, _TRUNCATE_SINCE, _TCP_SINCE, _IOCTL_SINCE, _SCOPES_SINCE = 2, 3, 4, 5, 6


def find_version() -> int:
    """Return the version of Landlock that this kernel offers; 0: none."""
    return max(0, LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)))


def restrict(grants: list[tuple[str, str]], version: int) -> None:
    """Close everything except what is granted, permanently.

    Args:
        grants: Paths, each with its rights: `read`, `device` or `scratch`; paths that do not exist are skipped.
        version: The version of Landlock to use, at least 1.

    Raises:
        OSError: The kernel refused.
    """
    handled = (1 << 13) - 1
    for bit, since in ((1 << 13, _REFER_SINCE), (_TRUNCATE, _TRUNCATE_SINCE), (_DEVICE_IOCTL, _IOCTL_SINCE)):
        handled |= bit if version >= since else 0
    tcp, scopes = (3 if version >= _TCP_SINCE else 0), (3 if version >= _SCOPES_SINCE else 0)
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _TCP_SINCE else 8
    attributes = struct.pack("<QQQ", handled, tcp, scopes)[:size]
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    rights = {
        "read": _READ_FILE | _READ_DIR,
        "device": _READ_FILE | _WRITE_FILE,
        "scratch": handled & ~(_MAKE_SPECIAL | _EXECUTE),
    }
    for path, kind in grants:
        _grant(ruleset, path, rights[kind] & handled)
    _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _grant(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # an unreachable path needs no grant
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _FOR_FILES
        rule = struct.pack("<Qi", rights, descriptor)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    return check(LIBC.syscall(ctypes.c_long(number), *arguments), f"landlock ({number})")
