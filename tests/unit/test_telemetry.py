"""Facts about log lines."""

import json
import subprocess
import sys

_SCRIPT = """
import logging
from evalhaven.telemetry import configure_logging

configure_logging("info", "json")
logging.getLogger("some.library").warning("lost %s", "a\\nline")
logging.getLogger("some.library").info("nothing of interest")
logging.getLogger("psycopg.pool").warning("error connecting in 'pool-1'")
"""


def test_what_a_library_warns_of_is_a_line_like_all_others() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True)

    (line,) = map(json.loads, done.stderr.splitlines())
    assert {name: line[name] for name in ("event", "level", "library", "message")} == {
        "event": "library",
        "level": "warning",
        "library": "some.library",
        "message": "lost a\nline",
    }
