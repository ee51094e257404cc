"""Which walls a sandbox has, and what can be imported inside."""

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
        python: The interpreter that hosts run; one in a virtual environment stands for the one it was made from.
        paths: Directories of packages to import from, which are read-only; empty: the standard library alone.
        nltk_data: The directory of NLTK's corpora; None: there are none.
    """

    python: Path
    paths: tuple[Path, ...] = ()
    nltk_data: Path | None = None


@dataclass(frozen=True, slots=True)
class Isolation:
    """The isolation that holds on this machine.

    Attributes:
        tier: None: no isolation holds, and graders are refused.
        rejected: Why each tier that was tried before does not hold, a sentence each.
    """

    tier: Tier | None
    rejected: Mapping[Tier, str]


@dataclass(frozen=True, slots=True)
class Layers:
    """The walls of a sandbox one by one: a tier is a set of them, and tests leave some out.

    Attributes:
        namespaces: An empty root, no network, no other processes (bubblewrap).
        landlock: Only what is granted can be opened.
        seccomp: Only listed system calls.
        privileges: A user of its own if root starts the host; no capabilities, and no way to gain any.
        rlimits: The kernel's limits on memory, files and threads.
        landlock_abi_max: Newest version of Landlock to use.
        is_proving: Whether a host must prove that it cannot open any canary before it gets a source.
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
