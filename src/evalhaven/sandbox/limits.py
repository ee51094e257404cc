"""How much a grader may use."""

from dataclasses import dataclass

_GIB = 1 << 30
REPLY_BYTES = 1 << 16
"""Longest reply that is read from a host."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a host, a call and a grader may use; the defaults are those of the hosted service where it has some.

    Attributes:
        call_s: Longest time of a call.
        memory_bytes: Most memory of a host.
        disk_bytes: Most bytes in a host's scratch directory.
        scratch_files: Most files and directories there.
        threads: Most threads of a host.
        output_chars: How much of what a call prints is kept.
        calls_a_host: Calls after which a host is replaced.
        deaths_in_a_row: Hosts of one grader that may die without a reply in between; then it is stopped.
        start_s: Longest time until a host is ready.
        window: Most calls that are under way at one host.
    """

    call_s: float = 120.0
    memory_bytes: int = 2 * _GIB
    disk_bytes: int = _GIB
    scratch_files: int = 10_000
    threads: int = 64
    output_chars: int = 16_384
    calls_a_host: int = 10_000
    deaths_in_a_row: int = 20
    start_s: float = 20.0
    window: int = 256
