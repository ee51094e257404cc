"""The command that an application is; this module loads nothing else, since every process reads the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """How an application is started.

    Attributes:
        arguments: The program and its arguments. No shell reads them.
        directory: Where it works.
        variables: What it gets of the environment besides what every program needs.
        max_reply_bytes: The most that it may write to its standard output.
    """

    arguments: tuple[str, ...]
    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, hash=False)
    max_reply_bytes: int = 64 * 1024 * 1024
