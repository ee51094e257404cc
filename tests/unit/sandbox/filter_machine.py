"""A machine for the few instructions that libseccomp writes, so that a filter can be asked without loading it."""

import operator
import platform
import struct
from collections.abc import Callable

ALLOW, ERRNO, KILL_THREAD = 0x7FFF0000, 0x00050000, 0
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _JUMP, _RETURN, _AND = 0x20, 0x05, 0x06, 0x54
_CONDITIONS: dict[int, Callable[[int, int], object]] = {
    0x15: operator.eq,
    0x25: operator.gt,
    0x35: operator.ge,
    0x45: operator.and_,
}


def decide(program: bytes, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return the action of a filter for a system call."""
    known = ARCHITECTURES[platform.machine()] if architecture is None else architecture
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    facts = struct.pack("<iIQ6Q", number, known, 0, *(value & (1 << 64) - 1 for value in padded))
    instructions = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        code, true, false, constant = instructions[at]
        at += 1
        if code == _LOAD:
            (accumulator,) = struct.unpack_from("<I", facts, constant)
        elif code == _AND:
            accumulator &= constant
        elif code == _JUMP:
            at += constant
        elif code == _RETURN:
            return constant
        else:
            at += true if _CONDITIONS[code](accumulator, constant) else false
