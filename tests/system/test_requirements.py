"""Every lock is installed as the complete list that it is, whatever has been published since.

The commands are those that `make` runs. They are run by the oldest pip that a supported Python brings along, against
an index that has each package in its locked version and in a newer one, both with the real dependencies.
"""

import base64
import hashlib
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_string
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CLIENTS = Path(".venv") / "clients"
NEWER = "99999"
_PIP = "-m pip install "


@dataclass(frozen=True)
class Install:
    """A command of `make` that installs locks: the arguments of pip, and the files that they name."""

    arguments: tuple[str, ...]
    locks: tuple[Path, ...]

    @property
    def target(self) -> Path | None:
        """Return the directory that it fills, if that is not the environment."""
        return Path(self.arguments[self.arguments.index("--target") + 1]) if "--target" in self.arguments else None

    def reading(self, locks: Sequence[Path]) -> list[str]:
        """Return its arguments with other files as locks."""
        others = iter(locks)
        return [str(next(others)) if Path(each) in self.locks else each for each in self.arguments]


@pytest.fixture(scope="module")
def recipes(repository: Path) -> list[str]:
    """Return the lines that `make` says that it runs to install everything."""
    command = ["make", "--dry-run", "--always-make", ".venv/.installed-clients"]
    said = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True, timeout=60).stdout
    return said.replace("\\\n", " ").splitlines()


@pytest.fixture(scope="module")
def installs(recipes: list[str]) -> list[Install]:
    """Return what `make` says that it installs from locks."""
    found: list[Install] = []
    for words in re.findall(rf"{re.escape(_PIP)}([^;&|\n]*)", "\n".join(recipes)):
        arguments = tuple(shlex.split(words))
        locks = tuple(Path(lock) for flag, lock in itertools.pairwise(arguments) if flag == "-r")
        if locks:
            found.append(Install(arguments, locks))
    return found


def locked(lock: Path) -> Iterator[Requirement]:
    """Yield what a lock names for this machine."""
    for line in lock.read_text().replace("\\\n", "").splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line.split(" --hash=", 1)[0])
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def versions(requirements: Sequence[Requirement]) -> dict[str, str]:
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}


def make_wheel(index: Path, installed: Distribution, version: str) -> str:
    """Add a wheel with the metadata of an installed package to an index; return its SHA-256."""
    name = canonicalize_name(installed.metadata["Name"])
    metadata = message_from_string(installed.read_text("METADATA") or "")
    metadata.replace_header("Version", version)
    stem = f"{name.replace('-', '_')}-{version}"
    files = {
        f"{stem}.dist-info/METADATA": str(metadata),
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    directory = index / name
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(_entry(path), text)
        record = [f"{path},sha256={_urlsafe_digest(text)},{len(text.encode())}" for path, text in files.items()]
        archive.writestr(_entry(f"{stem}.dist-info/RECORD"), "\n".join([*record, f"{stem}.dist-info/RECORD,,", ""]))
    links = "".join(f'<a href="{each.name}">{each.name}</a>\n' for each in sorted(directory.glob("*.whl")))
    (directory / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _entry(path: str) -> zipfile.ZipInfo:
    """Return an entry that is the same whenever it is made: two locks of one install may name the same package."""
    return zipfile.ZipInfo(path, date_time=(2026, 1, 1, 0, 0, 0))


def _urlsafe_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def make_index(repository: Path, index: Path, install: Install) -> list[Path]:
    """Fill an index with each locked package and a newer one; return the locks with the hashes of that index."""
    places = [str(repository / install.target)] if install.target else sys.path
    found = {canonicalize_name(each.metadata["Name"]): each for each in reversed([*distributions(path=places)])}
    copies: list[Path] = []
    for lock in install.locks:
        lines: list[str] = []
        for requirement in locked(repository / lock):
            distribution = found[canonicalize_name(requirement.name)]
            digest = make_wheel(index, distribution, distribution.version)
            make_wheel(index, distribution, NEWER)
            lines.append(f"{requirement} --hash=sha256:{digest}")
        copies.append(index / lock.name)
        copies[-1].write_text("\n".join(lines) + "\n")
    return copies


def run_oldest_pip(repository: Path, index: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Ask the oldest pip what it would install into an empty environment; it prints JSON."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environment = {
        **kept,
        "PYTHONPATH": str(repository / CLIENTS / "pip-22.3"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": index.as_uri(),
        "PIP_NO_CACHE_DIR": "1",
    }
    command = [sys.executable, "-m", "pip", "install", *arguments, "--dry-run", "--ignore-installed", "--report", "-"]
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, check=False, timeout=110
    )


def test_every_lock_of_the_repository_is_installed(repository: Path, installs: list[Install]) -> None:
    named = {lock for install in installs for lock in install.locks}

    assert named == {path.relative_to(repository) for path in (repository / "requirements").rglob("*.txt")}


@pytest.mark.slow
def test_what_is_installed_is_the_lock_however_old_pip_is_and_whatever_is_newer(
    repository: Path, tmp_path: Path, installs: list[Install]
) -> None:
    for number, install in enumerate(installs):
        index = tmp_path / str(number)
        locks = make_index(repository, index, install)
        done = run_oldest_pip(repository, index, install.reading(locks))
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        metadata = [each["metadata"] for each in report["install"]]
        assert report["pip_version"] == "22.3"
        assert {canonicalize_name(each["name"]): each["version"] for each in metadata} == versions(
            [each for lock in install.locks for each in locked(repository / lock)]
        )


def test_a_lock_that_is_resolved_anew_would_not_install(
    repository: Path, tmp_path: Path, installs: list[Install]
) -> None:
    [install] = [each for each in installs if Path("requirements/dev.txt") in each.locks]
    locks = make_index(repository, tmp_path, install)
    arguments = [each for each in install.reading(locks) if each != "--no-deps"]
    done = run_oldest_pip(repository, tmp_path, arguments)

    assert "--no-deps" in install.arguments
    assert done.returncode != 0
    assert "all requirements must have their versions pinned" in done.stderr


def test_nothing_is_built_with_what_is_newest(repository: Path, installs: list[Install]) -> None:
    builders = versions([*locked(repository / "requirements" / "build.txt")])

    assert all("--no-build-isolation" in install.arguments for install in installs)
    assert builders.keys() >= {"hatchling", "setuptools"}


def test_make_looks_for_what_is_lacking_before_it_counts_an_environment_as_made(
    repository: Path, recipes: list[str], tmp_path: Path
) -> None:
    # A client of an old version stands in a directory of its own, which is not checked.
    steps = {each: "install" for each in recipes if _PIP in each and "--target" not in each}
    steps |= {each: "check" for each in recipes if " check)" in each}
    steps |= {each: each for each in recipes if each.startswith("touch .venv/.installed")}
    assert [steps[each] for each in recipes if each in steps] == [
        # Node's lock is for machines without it.
        *("install", "install", "install", "check", "touch .venv/.installed"),
        *("install", "check", "touch .venv/.installed-dev", "touch .venv/.installed-clients"),
    ]

    unmet = tmp_path / "unmet-1.0.dist-info"
    unmet.mkdir()
    (unmet / "METADATA").write_text("Metadata-Version: 2.1\nName: unmet\nVersion: 1.0\nRequires-Dist: made-up-name\n")
    for check in [each for each, step in steps.items() if step == "check"]:
        assert run_recipe(repository, check).returncode == 0
        done = run_recipe(repository, check, PYTHONPATH=str(tmp_path))
        assert (done.returncode, done.stdout) == (1, "unmet 1.0 requires made-up-name, which is not installed.\n")


def run_recipe(repository: Path, recipe: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the Makefile as make does."""
    return subprocess.run(
        ["/bin/sh", "-c", recipe],
        cwd=repository,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
