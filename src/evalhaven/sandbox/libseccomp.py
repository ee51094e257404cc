"""The five functions of the system's libseccomp that are needed to make a filter."""

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

ALLOW = 0x7FFF0000
"""The action that lets a system call through."""
_ERRNO = 0x00050000
_OPTIMIZE_ATTRIBUTE = 8
_BINARY_TREE = 2
_LIBRARY = "libseccomp.so.2"


class SeccompMissingError(Exception):
    """libseccomp is not installed or too old; the message says what to do."""


class Comparison(IntEnum):
    """How an argument is compared."""

    NOT_EQUAL = 1
    EQUAL = 4
    MASKED_EQUAL = 7


@dataclass(frozen=True, slots=True)
class Condition:
    """What an argument of a system call must be.

    Attributes:
        argument: Its position, from 0.
        comparison: How it is compared.
        value: What it is compared with; for MASKED_EQUAL, the mask.
        masked: What must remain under the mask.
    """

    argument: int
    comparison: Comparison
    value: int
    masked: int = 0


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("masked", ctypes.c_uint64),
    )


def refusal(number: int) -> int:
    """Return the action that answers a system call with an error.

    Args:
        number: The error's number, as in `errno`.
    """
    return _ERRNO | number


class Filter:
    """A filter under construction, for the machine it is made on; a context manager."""

    def __init__(self, default: int) -> None:
        """Begin with the action for calls that no rule names.

        Raises:
            SeccompMissingError: There is no libseccomp.
        """
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise SeccompMissingError(f"{_LIBRARY} is not installed (Debian: apt install libseccomp2)") from error
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))
        if not self._context:
            raise SeccompMissingError(f"{_LIBRARY} makes no filter")

    def __enter__(self) -> "Filter":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._library.seccomp_release(self._context)

    def find_number(self, name: str) -> int | None:
        """Return the number of a system call; None: this architecture does not have it."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        return number if number >= 0 else None

    def add(self, action: int, name: str, *conditions: Condition) -> None:
        """Add a rule; a call that this architecture does not have is skipped.

        Raises:
            SeccompMissingError: The library refuses the rule.
        """
        number = self.find_number(name)
        if number is None:
            return
        array = (_Comparison * len(conditions))(
            *((each.argument, each.comparison, each.value, each.masked) for each in conditions)
        )
        result = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), ctypes.c_int(number), ctypes.c_uint(len(conditions)), array
        )
        if result < 0:
            raise SeccompMissingError(f"{_LIBRARY} refuses the rule for {name}: {os.strerror(-result)}")

    def add_all(self, action: int, names: Iterable[str]) -> None:
        """Add a rule without conditions for each name."""
        for name in names:
            self.add(action, name)

    def export(self) -> bytes:
        """Return the program: instructions of the classic BPF, 8 bytes each.

        Raises:
            SeccompMissingError: The library cannot make the program.
        """
        # Versions before 2.5 have no trees: they decide the same, only slower.
        self._library.seccomp_attr_set(self._context, ctypes.c_int(_OPTIMIZE_ATTRIBUTE), ctypes.c_uint32(_BINARY_TREE))
        reading, writing = os.pipe()
        try:
            # A pipe holds 64 KiB, and a program has at most 4096 instructions: half of that.
            if self._library.seccomp_export_bpf(self._context, ctypes.c_int(writing)) < 0:
                raise SeccompMissingError(f"{_LIBRARY} cannot export the filter")
            return os.read(reading, 1 << 16)
        finally:
            os.close(reading)
            os.close(writing)
