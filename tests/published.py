"""The published OpenAPI documents."""

from pathlib import Path
from typing import Any

import yaml


def read_published(path: Path) -> dict[str, Any]:
    """Return a document; by the loader in C, since the one in Python takes seconds for it."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
