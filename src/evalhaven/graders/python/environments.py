"""What python graders can import: the standard library and environments of libraries, one directory each."""

import os
import re
import sys
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from evalhaven.graders.python.image import DEFAULT_IMAGE, IMAGES
from evalhaven.sandbox.environment import Environment

STANDARD_LIBRARY = "standard library"
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NLTK_LOOKUP = "NLTK Downloader"  # in the error that nltk raises if it does not find a corpus
_NO_MODULE = re.compile(r"No module named '(\w+)")
_SYSTEM_DIRECTORIES = (Path("/usr/local/bin"), Path("/usr/bin"))
_PUBLIC = 0o005  # what a directory must allow users who neither own it nor belong to its group


@dataclass(frozen=True, slots=True)
class LibraryEnvironment:
    """An environment that is installed.

    Attributes:
        tag: Its name, which an `image_tag` selects.
        directory: A virtual environment.
        packages: Where its libraries are; None if they are for another version of Python.
    """

    tag: str
    directory: Path
    packages: Path | None

    def versions(self) -> dict[str, str]:
        """Return the version of each distribution, by its name in lower case with hyphens."""
        if self.packages is None:
            return {}
        found = distributions(path=[str(self.packages)])
        return {_normal(found_one.metadata["Name"]): found_one.version for found_one in found}


@dataclass(frozen=True, slots=True)
class Selection:
    """What a grader can import.

    Attributes:
        name: The tag of the environment, or `STANDARD_LIBRARY`.
        sandboxed: The same for the sandbox.
        caution: What the grader's author should know: another environment than the one asked for; else None.
    """

    name: str
    sandboxed: Environment
    caution: str | None = None


class Environments:
    """The environments of a directory; it is read anew each time, so a new one is found."""

    def __init__(self, directory: Path, nltk_data: Path | None = None) -> None:
        """Read nothing yet.

        Args:
            directory: Where each environment is a directory named by its tag; it need not exist.
            nltk_data: Data of NLTK that graders may read.
        """
        self.directory = directory
        self.nltk_data = nltk_data

    def installed(self) -> list[LibraryEnvironment]:
        """Return what is installed, by tag."""
        found: list[LibraryEnvironment] = []
        for entry in sorted(self.directory.glob("*/pyvenv.cfg")):
            if is_tag(entry.parent.name):
                packages = entry.parent / "lib" / python_directory() / "site-packages"
                found.append(
                    LibraryEnvironment(entry.parent.name, entry.parent, packages if packages.is_dir() else None)
                )
        return found

    def select(self, image_tag: str | None = None) -> Selection:
        """Return the environment of an `image_tag`; without a tag, the default image's, else the newest."""
        usable = {each.tag: each for each in self.installed() if each.packages is not None}
        wanted = image_tag or DEFAULT_IMAGE
        chosen = usable.get(wanted) or (usable[max(usable)] if usable else None)
        name = STANDARD_LIBRARY if chosen is None else chosen.tag
        paths = () if chosen is None or chosen.packages is None else (chosen.packages.resolve(),)
        caution = None
        if image_tag is not None and name != image_tag:
            has = "the standard library alone" if chosen is None else f"the libraries of {name!r}"
            caution = (
                f"image_tag {image_tag!r} is not installed here, so the grader has {has}: {install_cure(image_tag)}."
            )
        return Selection(name, Environment(interpreter(), paths, self.nltk_data), caution)

    def cure_of(self, selection: Selection, message: str) -> str | None:
        """Return how to install what the hosted image has and this server has not; None if the error is not about that.

        Args:
            selection: What the grader could import.
            message: The error's text.
        """
        if _NLTK_LOOKUP in message:
            return (
                "Corpora of nltk are read from the directory that NLTK_DATA names on the server"
                f"{', which is not set' if self.nltk_data is None else ''}; nothing is downloaded."
            )
        missing = _NO_MODULE.search(message)
        distribution = None if missing is None else module_distributions().get(missing[1])
        if distribution is None:
            return None
        if selection.name == STANDARD_LIBRARY:
            return f"To have {distribution} and the other libraries of the hosted image, {install_cure(None)}."
        return (
            f"The environment {selection.name!r} has no {distribution}; `evalhaven graders doctor` says what it lacks."
        )


def is_tag(text: str) -> bool:
    """Tell whether a text can name an environment: it becomes the name of a directory."""
    return _TAG.fullmatch(text) is not None


def install_cure(image_tag: str | None) -> str:
    """Return how an environment is installed, as the end of a sentence."""
    if image_tag is not None and image_tag not in IMAGES:
        return f"this release knows the images {', '.join(IMAGES)}"
    return f"run `evalhaven graders install{'' if image_tag is None else f' --image-tag {image_tag}'}` on the server"


def module_distributions() -> dict[str, str]:
    """Return the distribution of each module in the known images."""
    return {
        image.modules.get(distribution, distribution): distribution
        for image in IMAGES.values()
        for distribution in image.packages
    }


def interpreter() -> Path:
    """Return the interpreter that graders run on: that of this process, without its virtual environment.

    If root keeps it closed to other users, the system's own of the same version takes its place: without namespaces
    a host could not read it if the server runs as root.
    """
    own = Path(sys.executable).resolve()
    if sys.platform == "win32" or os.geteuid() != 0 or closed_directory(own) is None:
        return own
    candidates = (directory / python_directory() for directory in _SYSTEM_DIRECTORIES)
    return next((path.resolve() for path in candidates if path.exists() and closed_directory(path) is None), own)


def python_directory() -> str:
    """Return the name of the library directory of this version of Python."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def find_nltk_data(nltk_data: str | None) -> Path | None:
    """Return the first directory of `NLTK_DATA` that exists.

    Args:
        nltk_data: Value of the variable.
    """
    named = [Path(part) for part in (nltk_data or "").split(os.pathsep) if part]
    return next((path.resolve() for path in named if path.is_dir()), None)


def closed_directory(path: Path) -> Path | None:
    """Return the first directory on the way to a path that users without privileges cannot enter, or None.

    Hosts of a server that runs as root are such users.
    """
    for directory in (*reversed(path.resolve().parents), path.resolve()):
        if directory.is_dir() and directory.stat().st_mode & _PUBLIC != _PUBLIC:
            return directory
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
