"""Running the command line as a user does."""

import os
import subprocess
import sys
from pathlib import Path

_TIMEOUT_S = 90


def run_command(*arguments: str, directory: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `evalhaven` to its end and return what it printed.

    Args:
        arguments: What follows `evalhaven`.
        directory: The working directory.
        environment: Variables beyond those of the tests' own process, from which ours and OpenAI's are left out.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EVALHAVEN_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "evalhaven", *arguments],
        cwd=directory,
        env={**inherited, "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
