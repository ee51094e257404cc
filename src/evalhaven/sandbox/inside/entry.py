"""The first thing a host does: it locks itself down, proves it, reports so, and only then accepts a source."""

import gc
import json
import os
import sys

from evalhaven.sandbox.inside.lockdown import CALLS, REPLIES, LockdownError, lock_down, seize_descriptors
from evalhaven.sandbox.inside.proof import prove
from evalhaven.sandbox.inside.serving import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from evalhaven.sandbox.inside.orders import Orders

_PACKAGE = "evalhaven."


def prepare(orders: "Orders") -> "Callable[[], None]":
    """Lock this process down, and return the function that serves as a host until its pipe ends.

    The caller deletes the orders before calling it: a grader can see the frames below its own, and must not learn the
    server's paths from them.
    """
    seize_descriptors()
    try:
        lock_down(orders)
        leaks = prove(orders) if orders["is_proving"] else []
    except (LockdownError, OSError) as error:
        _tell({"failed": str(error)})
        os._exit(1)
    sys.set_int_max_str_digits(0)  # an item's integers may have any length
    _hide_program()
    _tell({"leaks": leaks})
    output_bytes, reply_bytes = orders["output_bytes"], orders["reply_bytes"]

    def be_host() -> None:
        gc.freeze()
        serve(CALLS, REPLIES, output_bytes, reply_bytes)

    return be_host


def _hide_program() -> None:
    """Remove our modules from where a grader imports."""
    for name in [name for name in sys.modules if name.startswith(_PACKAGE)]:
        del sys.modules[name]
    sys.argv = [""]


def _tell(message: dict[str, object]) -> None:
    text = json.dumps(message).encode()
    os.write(REPLIES, len(text).to_bytes(4, "little") + text)
