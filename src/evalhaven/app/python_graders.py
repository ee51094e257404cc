"""How python graders are isolated and what they import, by the settings."""

import os
from pathlib import Path

from evalhaven.app.stores import database_path
from evalhaven.graders.python.environments import Environments, find_nltk_data
from evalhaven.graders.python.isolation import IsolationChoice
from evalhaven.sampling.configuration.loading import find_config
from evalhaven.sandbox.environment import Tier
from evalhaven.settings import Settings


def grader_environments(settings: Settings) -> Environments:
    """Return what python graders can import."""
    return Environments(settings.environments_dir, find_nltk_data(os.environ.get("NLTK_DATA")))


def isolation_choice(settings: Settings) -> IsolationChoice:
    """Return the object that chooses how python graders are isolated; nothing is tried yet."""
    wanted = None if settings.grader_sandbox is None else Tier(settings.grader_sandbox)
    return IsolationChoice(wanted, grader_environments(settings), _canaries(settings))


def _canaries(settings: Settings) -> list[Path]:
    """Return files that no grader may open: if one can, the isolation is worth nothing."""
    config = find_config(settings.config)
    named = [database_path(settings.data_dir), settings.stored_dir / "secret.key", settings.data_dir / "lock"]
    return [path.absolute() for path in (*named, *([] if config is None else [config])) if path.exists()]
