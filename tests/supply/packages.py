"""The packages that the locks pin, and the licences that their metadata name."""

import base64
import importlib.metadata
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

REPOSITORY = Path(__file__).resolve().parents[2]

Ecosystem = Literal["PyPI", "npm"]

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*(?:\n    --hash=.*)*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# Words of metadata that name a licence without being its SPDX id.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned package.

    Attributes:
        is_shipped: Whether users of Evalhaven get it; the others build or test it.
        hashes: Algorithm and hexadecimal digest of each file that may be installed.
        license: SPDX expression; None where it is not known here.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    is_shipped: bool
    hashes: tuple[tuple[str, str], ...]
    license: str | None

    @property
    def purl(self) -> str:
        """Return the package URL, by which databases know it."""
        return f"pkg:{self.ecosystem.lower()}/{quote(self.name, safe='/')}@{quote(self.version)}"


def pinned_packages() -> list[Package]:
    """Return all packages of the locks, each once; those of both kinds count as shipped."""
    found: dict[tuple[str, str, str], Package] = {}
    for package in (*_python("runtime.txt", is_shipped=True), *_of_dashboard(), *_others()):
        found.setdefault((package.ecosystem, package.name, package.version), package)
    return sorted(found.values(), key=lambda each: (each.ecosystem, each.name, each.version))


def installed_license(name: str) -> str | None:
    """Return the licence in the metadata of an installed distribution; None if it is not installed or names none."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    said = next((metadata[key] for key in ("License-Expression", "License") if key in metadata), "")
    if not said or "\n" in said:
        classifiers = [each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier") or []]
        said = next((each for each in classifiers if each in _SPDX), "")
    return _SPDX.get(said, said) or None


def _others() -> Iterator[Package]:
    for lock in ("build.txt", "node.txt", "dev.txt"):
        yield from _python(lock, is_shipped=False)


def _python(lock: str, *, is_shipped: bool) -> Iterator[Package]:
    text = (REPOSITORY / "requirements" / lock).read_text(encoding="utf-8")
    for name, version, rest in _PINNED.findall(text):
        hashes = tuple(("SHA-256", digest) for digest in _HASH.findall(rest))
        yield Package("PyPI", name, version, is_shipped, hashes, installed_license(name))


def _of_dashboard() -> Iterator[Package]:
    lock = json.loads((REPOSITORY / "web" / "package-lock.json").read_text(encoding="utf-8"))
    for place, entry in lock["packages"].items():
        if place:
            algorithm, _, digest = entry["integrity"].partition("-")
            hashes = ((f"SHA-{algorithm.removeprefix('sha')}", base64.b64decode(digest).hex()),)
            name = place.rpartition("node_modules/")[2]
            is_shipped = not entry.get("dev", False)
            yield Package("npm", name, entry["version"], is_shipped, hashes, entry.get("license"))
