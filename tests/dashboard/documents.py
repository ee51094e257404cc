"""Writes both OpenAPI documents into a directory, where `make types` makes the dashboard's types of them."""

import json
import sys
from pathlib import Path

from evalhaven.api.openapi import build_document, build_extension_document
from tests.docs.compatibility_page import own_application


def write_documents(directory: Path) -> None:
    """Write `contract.json` and `extension.json`."""
    application = own_application()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "contract.json").write_text(json.dumps(build_document(application)))
    (directory / "extension.json").write_text(json.dumps(build_extension_document(application)))


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))
