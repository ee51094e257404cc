"""What a process keeps from others of the same user."""

import sys

from evalhaven.sandbox.inside.kernel import forbid_tracing


def close_to_neighbours() -> None:
    """Close this process's memory and environment to others of the same user: the last wall behind the sandbox."""
    if sys.platform == "linux":
        forbid_tracing()
