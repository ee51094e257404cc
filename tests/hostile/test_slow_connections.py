"""A server that thousands of connections keep busy by sending a byte now and then, and what others notice of it."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import Server
from tests.sizes import SIZES
from tests.system.client import Client

_HEADER_TIMEOUT_S = 2
_ATTACK_S = 7.0
_ENDS_WITHIN_S = 120
_OWN_FILES = 500
_ROWS = b"".join(b'{"item":{"n":%d,"answer":"x","expected":"x"}}\n' % number for number in range(20))


@pytest.mark.proof
def test_slow_connections_are_refused_in_turn_and_everybody_else_is_answered(tmp_path: Path, repository: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < SIZES.slow_connections + _OWN_FILES:
        pytest.skip(f"a process may not open {SIZES.slow_connections} connections here: raise `ulimit -Hn`")
    limits = {"EVALHAVEN_HEADER_TIMEOUT_S": str(_HEADER_TIMEOUT_S), "EVALHAVEN_BODY_GRACE_S": "3"}
    with Server(tmp_path, **limits).running() as server, Client(server.url) as client:
        eval_id, file_id = client.create_eval(), client.upload(_ROWS)
        attack = [str(server.port), str(SIZES.slow_connections), str(_ATTACK_S)]
        command = [sys.executable, "-m", "benchmarks.slow_connections", *attack]
        with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE) as attacker:
            answered = 0
            while attacker.poll() is None:
                run = client.wait_for_end(eval_id, client.start_run(eval_id, file_id))
                assert (run["status"], run["result_counts"]["total"]) == ("completed", 20)
                answered += 1
            found = json.loads(attacker.communicate(timeout=_ENDS_WITHIN_S)[0])

        assert answered > 0
        assert (found["most"], found["failed"]) == (SIZES.slow_connections, 0)
        assert found["refused"] >= SIZES.slow_connections // 2
        assert client.get("/readyz").status_code == 200
        assert "Traceback" not in server.log
