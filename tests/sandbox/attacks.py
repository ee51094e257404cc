"""The table of attacks: what is tried from inside a sandbox, and the outcomes that are allowed."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DIRECTORY = Path(__file__).parent / "attacks"
_IN_ONE_HOST = ("reading", "writing", "network", "processes")


@dataclass(frozen=True)
class Attack:
    """One attempt.

    Attributes:
        name: Its file and its name there.
        source: The body of `attack(server)`.
        outcomes: Errors that may result, or `score`; empty: anything that shows that it did not get in.
        gets_in: Tiers in which it is known to get in.
        is_solo: Whether it has a host of its own.
        only_root: Whether only root has the privileges that it would use.
        needs_layers: Whether it gets in if there are no layers.
    """

    name: str
    source: str
    outcomes: tuple[str, ...] = ()
    gets_in: tuple[str, ...] = ()
    is_solo: bool = False
    only_root: bool = False
    needs_layers: bool = True


def read_attacks() -> list[Attack]:
    """Return the whole table, in the order in which it is tried."""
    attacks = [_shared(f"{name}.{key}", entry) for name in _IN_ONE_HOST for key, entry in _read(name).items()]
    for name, arguments in _read("kernel")["calls"].items():
        numbers = ", ".join(map(str, arguments))
        # The kernel itself refuses some of these to everybody, or does not have them.
        attacks.append(Attack(f"kernel.{name}", f'return is_considered("{name}", {numbers})', needs_layers=False))
    for name, group in _read("alone").items():
        for key, entry in group.items():
            attacks.append(Attack(f"{name}.{key}", entry["source"], tuple(entry["outcomes"]), is_solo=True))
    return attacks


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_DIRECTORY / f"{name}.toml").read_text())


def _shared(name: str, entry: dict[str, Any]) -> Attack:
    return Attack(
        name,
        entry["source"],
        gets_in=tuple(entry.get("gets_in", ())),
        only_root=entry.get("only_root", False),
        needs_layers=entry.get("gets_in_without_layers", True),
    )
