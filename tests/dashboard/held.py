"""An endpoint whose later answers wait until a test lets them go, so that a run stands still in its midst."""

import contextlib
import json
from http.server import BaseHTTPRequestHandler

from tests.loopback_server import LoopbackServer

HELD_MODEL = "held"
_AT_ONCE = 60
_LONGEST_S = 120


class HeldAnswers(LoopbackServer):
    """Says yes to everybody: to some at once, to all others while the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    @property
    def config(self) -> str:
        """The endpoint, as a part of `evalhaven.toml`."""
        return f'[endpoints.held]\nbase_url = "{self.url}/v1"\nmodels = ["{HELD_MODEL}"]\n'

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("content-length", "0")))
        self._asked += 1
        if self._asked > _AT_ONCE:
            self.gate.wait(_LONGEST_S)
        message = {"role": "assistant", "content": "Yes."}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        content = json.dumps({"model": HELD_MODEL, "choices": choices}).encode()
        with contextlib.suppress(OSError):  # whoever asked may be gone
            handler.send_response(200)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
