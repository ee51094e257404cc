"""Which pages there are, and what makes each of them."""

from collections.abc import Callable
from pathlib import Path

from tests.docs.reference.api import render_api
from tests.docs.reference.cli import render_cli
from tests.docs.reference.configuration import render_configuration
from tests.docs.reference.eval_files import render_eval_files, render_schema
from tests.docs.reference.metrics import render_metrics

DIRECTORY = Path(__file__).resolve().parents[3] / "docs" / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "api.md": render_api,
    "cli.md": render_cli,
    "configuration.md": render_configuration,
    "eval-files.md": render_eval_files,
    "eval-file.schema.json": render_schema,
    "metrics.md": render_metrics,
}
