"""Linux system calls for which the standard library has no function."""

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_INSTRUCTION = struct.Struct("<HBBI")


def check(result: int, what: str) -> int:
    """Return the result of a call to libc.

    Raises:
        OSError: The call failed; the message names it.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, argument: int = 0) -> None:
    """Change an attribute of this process.

    Raises:
        OSError: The kernel refused.
    """
    zero = ctypes.c_ulong(0)
    check(LIBC.prctl(option, ctypes.c_ulong(argument), zero, zero, zero), f"prctl({option}, {argument})")


def forbid_tracing() -> None:
    """Close this process's memory and environment to others of the same user, and write no core files."""
    prctl(_PR_SET_DUMPABLE, 0)


def forbid_new_privileges() -> None:
    """Never gain a privilege by executing a file."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability, including those that children would inherit."""
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    check(LIBC.capset(header, bytes(24)), "capset")


def has_capabilities() -> bool:
    """Tell whether this process has a capability in any of its sets."""
    header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    sets = ctypes.create_string_buffer(24)
    check(LIBC.capget(header, sets), "capget")
    return any(sets.raw)


def filter_system_calls(program: bytes, placeholder: int) -> None:
    """Load a seccomp filter into this process, which must have one thread only.

    Args:
        program: Instructions of the classic BPF, 8 bytes each.
        placeholder: The constant in the program that stands for this process's id.

    Raises:
        OSError: The kernel refused.
    """
    pid = os.getpid()
    patched = b"".join(
        _INSTRUCTION.pack(code, true, false, pid if constant == placeholder else constant)
        for code, true, false, constant in _INSTRUCTION.iter_unpack(program)
    )

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    loaded = Program(len(patched) // _INSTRUCTION.size, patched)
    zero = ctypes.c_ulong(0)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    check(LIBC.prctl(_PR_SET_SECCOMP, mode, ctypes.byref(loaded), zero, zero), "prctl(PR_SET_SECCOMP)")
