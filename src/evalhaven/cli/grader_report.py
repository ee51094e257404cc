"""What `evalhaven graders doctor` and `evalhaven doctor` say about python graders."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
from rich.console import Console

from evalhaven.app.python_graders import grader_environments, isolation_choice
from evalhaven.graders.python.environments import Environments, LibraryEnvironment, closed_directory
from evalhaven.graders.python.image import DEFAULT_IMAGE, IMAGES, Image
from evalhaven.graders.python.installing import deviations
from evalhaven.graders.python.isolation import SETTING, UNSAFE_NOTE, refusal
from evalhaven.sandbox.environment import Isolation, Tier
from evalhaven.settings import Settings
from evalhaven.telemetry import configure_logging

# nltk from 3.9 on reads punkt in this form.
_LATER_PUNKT = "tokenizers/punkt_tab"


def report(settings: Settings, console: Console) -> int:
    """Print everything about python graders; return 0, or 1 if none can be executed.

    Args:
        settings: The effective settings.
        console: Where to print.
    """
    isolation = choose(settings)
    environments = grader_environments(settings)
    for line in (isolation_note(isolation), *_environment_notes(environments), *_corpora_notes(environments)):
        console.print(f"- {line}")
    for tier, reason in isolation.rejected.items():
        console.print(f"- Passed over: {tier}, because {reason}")
    return 1 if isolation.tier is None else 0


def choose(settings: Settings) -> Isolation:
    """Try the tiers as the server does."""
    # The report shows what choosing would log.
    configure_logging("error", settings.log_format)
    return anyio.run(isolation_choice(settings).choose)


def isolation_note(isolation: Isolation) -> str:
    """Return how python graders are isolated."""
    if isolation.tier is None:
        return refusal(isolation)
    if isolation.tier is Tier.OFF:
        return UNSAFE_NOTE
    return f"Python graders: isolated, tier {isolation.tier}."


def library_note(environments: Environments) -> str:
    """Return what python graders can import."""
    names = [each.tag for each in environments.installed() if each.packages is not None]
    if not names:
        return (
            "Libraries of python graders: the standard library alone; `evalhaven graders install` brings those of "
            "the hosted image."
        )
    return f"Libraries of python graders: {', '.join(names)}; `evalhaven graders doctor` lists them."


def is_pinned_in_vain(settings: Settings, isolation: Isolation) -> bool:
    """Tell whether the tier that the settings ask for does not hold."""
    return settings.grader_sandbox is not None and isolation.tier is None


def pinned_problem(isolation: Isolation) -> str:
    """Return a sentence that says so."""
    return f"{SETTING} asks for isolation that does not hold here. {refusal(isolation)}"


def _environment_notes(environments: Environments) -> Iterator[str]:
    installed = environments.installed()
    yield f"Environments: {environments.directory}, {', '.join(each.tag for each in installed) or 'none is installed'}."
    if not installed:
        yield "Graders import the standard library alone; `evalhaven graders install` brings what the hosted image has."
    for each in installed:
        yield from _library_notes(each)
    closed = closed_directory(environments.directory)
    if installed and closed is not None and sys.platform != "win32" and os.geteuid() == 0:
        yield closed_note(closed)


def _library_notes(environment: LibraryEnvironment) -> Iterator[str]:
    if environment.packages is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        yield (
            f"{environment.tag}: made for a version of Python other than {version}, so it is not used; "
            f"`evalhaven graders install --image-tag {environment.tag}` rebuilds it."
        )
        return
    versions = environment.versions()
    image = IMAGES.get(environment.tag, Image({}))
    same = [f"{name} {version}" for name, version in image.packages.items() if versions.get(name) == version]
    yield f"{environment.tag}: {len(versions)} libraries, of which as in the hosted image: {', '.join(same) or 'none'}."
    for deviation in deviations(image, versions):
        yield f"{environment.tag}: {deviation}"


def _corpora_notes(environments: Environments) -> Iterator[str]:
    if environments.nltk_data is None:
        yield "Corpora of nltk: NLTK_DATA names no directory, so graders that need them are errors."
        return
    wanted = (*IMAGES[DEFAULT_IMAGE].corpora, _LATER_PUNKT)
    found = [name for name in wanted if _has_corpus(environments, name)]
    missing = [name for name in wanted if name not in found]
    yield (
        f"Corpora of nltk: {environments.nltk_data} has {', '.join(found) or 'none of the image'}"
        f"{'; missing: ' + ', '.join(missing) if missing else ''}."
    )


def _has_corpus(environments: Environments, name: str) -> bool:
    place = environments.nltk_data
    return place is not None and ((place / name).exists() or (place / f"{name}.zip").exists())


def closed_note(directory: Path) -> str:
    """Say what it means for a server that runs as root if only its owner may enter a directory."""
    return (
        f"{directory} may be entered by its owner only. A server that runs as root gives each grader a user of its "
        "own, which cannot read libraries there unless namespaces isolate it: let EVALHAVEN_GRADER_ENVIRONMENTS name "
        "a directory that everybody may enter, or run the server without privileges."
    )
