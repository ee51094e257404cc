"""The blocking client is made from the asynchronous one: `python -m tests.client.blocking --write`."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

ROOM = REPOSITORY / "src" / "evalhaven" / "client"
_HEAD = '''"""The client of programs that wait for each answer.

Made from `asynchronous.py` by `python -m tests.client.blocking --write`: edit that one.
"""'''
_CHANGES = {
    r'^""".*?"""': _HEAD,
    r"anyio\.open_file\(part, (.*?)\)": r"part.open(\1)",
    r"anyio\.sleep": "time.sleep",
    r"^import anyio$": "import time",
    r"\basync (def|for|with) ": r"\1 ",
    r"\bawait ": "",
    r"\bAsyncGenerator\b": "Generator",
    r"\bAsync(Client|Items|Iterator)\b": r"\1",
    r"\bAwaitable\[T\]": "T",
    r"\bAwaitable, ": "",
    r"\basynccontextmanager\b": "contextmanager",
    r"\b__a(enter|exit|iter)__\b": r"__\1__",
    r"\.a(close|read|iter_bytes)\(": r".\1(",
    r"\bopen_async_client\b": "open_client",
    r"\[line for line in lines\]": "[*lines]",
    r"for each in page\.data:\n +yield each": "yield from page.data",
}


def blocking_text() -> str:
    """Return the text of the blocking client."""
    text = (ROOM / "asynchronous.py").read_text()
    for pattern, change in _CHANGES.items():
        text = re.sub(pattern, change, text, flags=re.MULTILINE | re.DOTALL if "?" in pattern else re.MULTILINE)
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", str(ROOM / "blocking.py"), "-"],
            input=text, capture_output=True, text=True, check=True, cwd=REPOSITORY,
        )  # fmt: skip
        text = done.stdout
    return text


def main() -> None:
    """Write it."""
    target: Path = ROOM / "blocking.py"
    if sys.argv[1:] != ["--write"]:
        raise SystemExit("Say --write.")
    target.write_text(blocking_text())


if __name__ == "__main__":
    main()
