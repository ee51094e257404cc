"""`make audit`: what advisories in OSV's format say about the pinned packages, without a network.

The advisories are a directory of JSON files or an archive of them (`all.zip` of PyPI and npm, as osv.dev offers them),
fetched on a machine that has a network.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tests.supply.packages import Package, pinned_packages

Advisory = dict[str, Any]


@dataclass(slots=True)
class Findings:
    """What advisories say.

    Attributes:
        known: Package and advisory that is about its version.
        unclear: Package and advisory whose versions could not be compared.
        advisories: How many were read, by ecosystem.
    """

    known: list[tuple[Package, Advisory]] = field(default_factory=list[tuple[Package, Advisory]])
    unclear: list[tuple[Package, Advisory]] = field(default_factory=list[tuple[Package, Advisory]])
    advisories: dict[str, int] = field(default_factory=dict[str, int])


def examine(packages: list[Package], advisories: Iterator[Advisory]) -> Findings:
    """Return what advisories say about packages; withdrawn ones say nothing."""
    by_name: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        by_name.setdefault((package.ecosystem, _name(package.ecosystem, package.name)), []).append(package)
    found = Findings()
    for advisory in advisories:
        if advisory.get("withdrawn"):
            continue
        affected = [each for each in advisory.get("affected", []) if each.get("package")]
        for ecosystem in {each["package"]["ecosystem"] for each in affected}:
            found.advisories[ecosystem] = found.advisories.get(ecosystem, 0) + 1
        for each in affected:
            ecosystem = each["package"]["ecosystem"]
            for package in by_name.get((ecosystem, _name(ecosystem, each["package"]["name"])), []):
                _judge(package, advisory, each, found)
    return found


def read_advisories(place: Path) -> Iterator[Advisory]:
    """Read the advisories of a directory or of an archive."""
    if place.is_dir():
        for path in sorted(place.rglob("*.json")):
            yield json.loads(path.read_bytes())
        for path in sorted(place.rglob("*.zip")):
            yield from read_advisories(path)
        return
    with zipfile.ZipFile(place) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def _judge(package: Package, advisory: Advisory, affected: dict[str, Any], found: Findings) -> None:
    try:
        is_affected = package.version in affected.get("versions", []) or any(
            _is_within(Version(package.version), each["events"])
            for each in affected.get("ranges", [])
            if each["type"] in ("ECOSYSTEM", "SEMVER")
        )
    except InvalidVersion:
        found.unclear.append((package, advisory))
        return
    if is_affected:
        found.known.append((package, advisory))


def _is_within(version: Version, events: list[dict[str, str]]) -> bool:
    """Tell whether a version is in a range: after what introduced the problem, and before what fixed it."""
    ordered = sorted(events, key=lambda event: Version(next(iter(event.values()))))
    is_affected = False
    for event in ordered:
        kind, at = next(iter(event.items()))
        if (kind == "introduced" and Version(at) <= version) or (kind == "last_affected" and Version(at) < version):
            is_affected = kind == "introduced"
        elif kind == "fixed" and Version(at) <= version:
            is_affected = False
    return is_affected


def _name(ecosystem: str, name: str) -> str:
    return canonicalize_name(name) if ecosystem == "PyPI" else name


def main(arguments: list[str]) -> int:
    """Print what is known; return 1 if a package is affected, 2 if nothing could be checked."""
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument("advisories", type=Path, nargs="?", help="a directory or a zip of advisories in OSV's format")
    place: Path | None = parser.parse_args(arguments).advisories
    packages = pinned_packages()
    if place is None or not place.exists():
        said = "no advisories were named" if place is None else f"{place} does not exist"
        print(f"Nothing was checked: {said}. The locks pin {len(packages)} packages.")  # noqa: T201 - the answer
        print("Fetch all.zip of PyPI and of npm from osv.dev, then: make audit ARGS=DIRECTORY")  # noqa: T201
        return 2
    found = examine(packages, read_advisories(place))
    for heading, pairs in (("affected", found.known), ("not clear whether affected", found.unclear)):
        for package, advisory in pairs:
            use = "shipped" if package.is_shipped else "build and tests only"
            summary = advisory.get("summary") or "no summary"
            print(f"{package.name} {package.version} ({use}): {heading}: {advisory['id']} {summary}")  # noqa: T201
    for ecosystem in ("PyPI", "npm"):
        count = sum(package.ecosystem == ecosystem for package in packages)
        read = found.advisories.get(ecosystem, 0)
        checked = f"checked against {read} advisories" if read else "NOT checked: there were no advisories"
        print(f"{count} packages of {ecosystem}: {checked}.")  # noqa: T201
    is_whole = all(found.advisories.get(each) for each in ("PyPI", "npm"))
    return 1 if found.known else 0 if is_whole and not found.unclear else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
