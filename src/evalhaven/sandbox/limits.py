"""How much time, memory and other resources a grader may use."""

import os
from dataclasses import dataclass, field

_GIB = 1 << 30
_HOSTS_A_CORE = 4
REPLY_BYTES = 1 << 16
"""Longest reply that is read from a host."""


def _hosts_here() -> int:
    return _HOSTS_A_CORE * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a host, a call and a grader may use; the defaults are the hosted service's, if it has any.

    Attributes:
        call_s: Longest time of a call.
        memory_bytes: Most memory of a host, including its scratch directory, which may be in memory too.
        disk_bytes: Most bytes in a host's scratch directory.
        scratch_files: Most files and directories there.
        threads: Most threads of a host.
        output_chars: How much of what a call prints is kept.
        calls_a_host: Calls after which a host is replaced.
        deaths_in_a_row: Hosts of one grader that may die without a reply in between; then it is stopped.
        start_s: Longest time until a host is ready.
        pauses_s: When a tier is tried: how long to wait each time before a host that was killed is started again.
        patience_s: How long a grader tries to start a host before it gives up.
        hosts: Most hosts of all graders together, including those that are kept warm.
        turn_s: How long a grader keeps a host while others wait for one.
        window: Most calls in flight at one host.
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
    pauses_s: tuple[float, ...] = (0.2, 1.0, 3.0)
    patience_s: float = 60.0
    hosts: int = field(default_factory=_hosts_here)
    turn_s: float = 5.0
    window: int = 256
