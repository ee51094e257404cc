"""Which walls a sandbox has, and what can be imported within."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Tier(StrEnum):
    """How graders are isolated, the best first."""

    FULL = "full"
    LANDLOCK = "landlock"
    NAMESPACES = "namespaces"
    OFF = "off-i-trust-every-grader"


@dataclass(frozen=True, slots=True)
class Environment:
    """What a grader can import.

    Attributes:
        python: The interpreter that hosts run; that of a virtual environment stands for the one it was made from.
        paths: Directories of packages that become importable, and readable only; empty: the standard library alone.
        nltk_data: The directory of NLTK's corpora; None: there are none.
    """

    python: Path
    paths: tuple[Path, ...] = ()
    nltk_data: Path | None = None


@dataclass(frozen=True, slots=True)
class Isolation:
    """What holds on this machine.

    Attributes:
        tier: None: nothing does, and graders are refused.
        rejected: Why each tier that was tried before it does not hold, a sentence each.
    """

    tier: Tier | None
    rejected: Mapping[Tier, str]


@dataclass(frozen=True, slots=True)
class Layers:
    """The walls of a sandbox one by one: a tier is a choice of them, and a test takes some away.

    Attributes:
        namespaces: An empty root, no network, no other processes (bubblewrap).
        landlock: Only what is granted can be opened.
        seccomp: Only listed system calls.
        privileges: A user of its own where root starts the host; no capabilities, and none to be had.
        rlimits: The kernel's limits on memory, files and threads.
        landlock_abi_max: Newest version of Landlock that is made use of.
        is_proving: A host must find every canary closed before it gets a source.
    """

    namespaces: bool
    landlock: bool
    seccomp: bool = True
    privileges: bool = True
    rlimits: bool = True
    landlock_abi_max: int = 100
    is_proving: bool = True


LAYERS = {
    Tier.FULL: Layers(namespaces=True, landlock=True),
    Tier.LANDLOCK: Layers(namespaces=False, landlock=True),
    Tier.NAMESPACES: Layers(namespaces=True, landlock=False),
    Tier.OFF: Layers(namespaces=False, landlock=False, seccomp=False, privileges=False, is_proving=False),
}
"""What each tier consists of."""
