"""An assertion of promptfoo in a file of its own."""

from typing import Any


def get_assert(output: str, context: dict[str, Any]) -> dict[str, Any]:
    """Tell whether the output has what the test wants."""
    wanted = str(context["vars"]["wanted"])
    return {"pass": wanted in output, "score": float(len(output) % 2), "reason": "looked"}
