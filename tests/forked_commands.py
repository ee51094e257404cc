"""Commands of the tests' shells as forks of one process that has Evalhaven loaded, as its servers are (forked.py).

    subprocess.run(["sh", "-c", f"{program()} runs list"])

The program is small: it hands its arguments, directory, environment and standard streams to that process, passes
signals on to the fork that does as the command does, and ends with its exit status. In a soak it is the command itself.
"""

import functools
import json
import os
import shlex
import signal
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

from evalhaven.app import own_server
from evalhaven.cli.main import main
from evalhaven.sandbox.inside.parent import die_with_parent
from tests.forked import FORKS, count_children
from tests.sizes import IS_SOAK
from tests.stand_ins import become, use_stand_ins

_CHUNK = 65_536
_STREAMS = 3
_ENDED_BADLY = 70
_WAITING = 64
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# It loads as little as it can: no site, and no package.
_PROGRAM = f"""
import json, os, signal, socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect(sys.argv[1])
asked = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
signal.pthread_sigmask(signal.SIG_BLOCK, {tuple(map(int, _PASSED_ON))})
door.sendall(asked[socket.send_fds(door, [asked], [0, 1, 2]):])
door.shutdown(socket.SHUT_WR)
answers = door.makefile("rb")
process = int(answers.readline())
for number in {tuple(map(int, _PASSED_ON))}:
    signal.signal(number, lambda number, frame: os.kill(process, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, {tuple(map(int, _PASSED_ON))})
sys.exit(int(answers.readline() or {_ENDED_BADLY}))
"""


@functools.cache
def program() -> str:
    """Return the words for a shell that stand for `evalhaven`."""
    python = shlex.quote(sys.executable)
    if IS_SOAK:
        return f"{python} -m evalhaven"
    directory = Path(tempfile.mkdtemp(prefix="evalhaven-door-"))
    (directory / "program.py").write_text(_PROGRAM)
    door = socket.socket(socket.AF_UNIX)
    path = directory / "door"
    with door:
        door.bind(str(path))
        door.listen(_WAITING)
        FORKS.Process(target=_answer_forever, args=(door, str(directory)), daemon=True).start()
    return f"{python} -I -S {shlex.quote(str(directory / 'program.py'))} {shlex.quote(str(path))}"


def _answer_forever(door: socket.socket, directory: str) -> None:
    die_with_parent(0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a fork: it says itself how it ended
    while True:
        asker, _ = door.accept()
        if not os.fork():
            door.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _do_as_asked(asker)
        asker.close()


def _do_as_asked(asker: socket.socket) -> NoReturn:
    status = _ENDED_BADLY
    try:
        body, streams, *_ = socket.recv_fds(asker, _CHUNK, _STREAMS)
        while more := asker.recv(_CHUNK):
            body += more
        arguments, directory, environment = json.loads(body)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - all three until the process ends
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        os.chdir(directory)
        asker.sendall(f"{os.getpid()}\n".encode())
        become(["evalhaven", *arguments], environment)
        use_stand_ins(count_children(arguments, environment))
        if arguments[:1] == ["run"]:
            use_stand_ins(1, own_server)
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        asker.sendall(f"{status}\n".encode())
        os._exit(status)
