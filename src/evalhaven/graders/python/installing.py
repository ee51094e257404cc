"""Making an environment for python graders: a virtual environment made of wheels only, so that no build is executed."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evalhaven.graders.python.environments import Environments, python_directory
from evalhaven.graders.python.image import IMAGES, Image

_SHOWN_LINES = 3


class InstallError(Exception):
    """The environment was not made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Where wheels come from.

    Attributes:
        find_links: Directories or addresses with wheels.
        no_index: Whether to use only those.
    """

    find_links: Sequence[str] = ()
    no_index: bool = False

    def options(self) -> list[str]:
        """Return the same as options of pip."""
        links = [option for place in self.find_links for option in ("--find-links", place)]
        return [*links, *(["--no-index"] if self.no_index else [])]


@dataclass(frozen=True, slots=True)
class Deviation:
    """A library that differs from the image.

    Attributes:
        wanted: The version of the image.
        found: The version that is installed; None if none is.
    """

    name: str
    wanted: str
    found: str | None

    def __str__(self) -> str:
        """Return the same as a sentence."""
        return f"{self.name} is {self.found or 'missing'}; the hosted image has {self.wanted}."


def deviations(image: Image, versions: dict[str, str]) -> list[Deviation]:
    """Return which libraries of an image are missing or of another version."""
    return [
        Deviation(name, wanted, versions.get(name))
        for name, wanted in image.packages.items()
        if versions.get(name) != wanted
    ]


def install_environment(
    environments: Environments, tag: str, source: PackageSource, say: Callable[[str], None]
) -> list[Deviation]:
    """Make the environment of an image, or make it anew, and return what differs from the image.

    A library without a wheel of the image's version is installed in another version, or left out. The old environment
    stays until the new one is complete.

    Args:
        environments: Where environments are.
        tag: The image.
        source: Where wheels come from.
        say: Told of each step.

    Raises:
        InstallError: The image is unknown, nothing could be installed, or the directory cannot be written.
    """
    image = IMAGES.get(tag)
    if image is None:
        raise InstallError(f"There is no image {tag!r}; this release knows {', '.join(IMAGES)}.")
    target = environments.directory / tag
    try:
        environments.directory.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{tag}-", dir=environments.directory))
    except OSError as error:
        raise InstallError(f"{environments.directory} cannot be written: {error.strerror}.") from error
    try:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(made)
        _install(image, made, source, say)
        _make_readable(made)
        _replace(target, made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    found = next(each for each in environments.installed() if each.tag == tag)
    return deviations(image, found.versions())


def _install(image: Image, directory: Path, source: PackageSource, say: Callable[[str], None]) -> None:
    exact = dict(image.packages)
    others: list[str] = []
    say(f"Installing {', '.join(exact)} …")
    while exact:
        problem = _pip(directory, ["install", *(f"{name}=={version}" for name, version in exact.items())], source)
        if problem is None:
            break
        # pip names the first library that it cannot find, and stops.
        lacking = [name for name in exact if f"No matching distribution found for {name}==" in problem]
        if not lacking:
            raise InstallError(f"The libraries cannot be installed: {problem}")
        for name in lacking:
            say(f"{name}: no wheel of version {exact.pop(name)}")
            others.append(name)
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch) / "constraints.txt"
        constraints.write_text("\n".join(f"{name}=={version}" for name, version in exact.items()))
        for name in others:
            problem = _pip(directory, ["install", "--constraint", str(constraints), name], source)
            say(f"{name}: {'installed in another version' if problem is None else f'left out: {problem}'}")
    packages = directory / "lib" / python_directory() / "site-packages"
    if not any(packages.glob("*.dist-info")):
        where = "in what --find-links names" if source.no_index else "in the index of pip"
        raise InstallError(f"No wheel of any library was found {where}; is it reachable?")


def _pip(directory: Path, arguments: Sequence[str], source: PackageSource) -> str | None:
    """Run a command of pip for an environment; return the end of its complaints, None if it succeeded."""
    into = ["--python", str(directory / "bin" / "python")]
    command = [sys.executable, "-m", "pip", *into, "--disable-pip-version-check", "--no-input", "--quiet", arguments[0]]
    command += ["--only-binary", ":all:", *source.options(), *arguments[1:]]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, names from our own list
            command, capture_output=True, text=True, check=False, env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
        )
    except OSError as error:
        raise InstallError(f"pip cannot be started: {error.strerror}.") from error
    if done.returncode == 0:
        return None
    if "No module named pip" in done.stderr:
        raise InstallError("pip is not installed beside Evalhaven: `python -m ensurepip` brings it.")
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
    return " ".join(line.removeprefix("ERROR:").strip() for line in lines[-_SHOWN_LINES:])


def _make_readable(directory: Path) -> None:
    """Let every user read an environment: the hosts of a server that runs as root have users of their own."""
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))


def _replace(target: Path, made: Path) -> None:
    old = made.with_name(f"{made.name}.old")
    with suppress(FileNotFoundError):
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)
