"""A server of a command's own, for as long as the command lives: it ends with it, also if that is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from evalhaven.app.stores import StartError, make_data_directory
from evalhaven.domain import jsontext
from evalhaven.sandbox.inside.parent import die_with_parent
from evalhaven.settings import PREFIX, Settings
from evalhaven.storage.lock import find_holder

_READY_WITHIN_S = 120.0
_POLL_S, _LONGEST_POLL_S = 0.05, 0.5
_STOPS_WITHIN_S = 15.0
_LOOKS_EACH_S = 0.5
_LOG_LINES = 15
_LOG = "own-server.log"
# What is said about another server must not change this one.
_REACHED = ("URL", "HOST", "PORT", "PUBLIC_URL", "TRUSTED_PROXIES", "EXPOSE_WITHOUT_KEYS")
_OTHERS = (*_REACHED, "DATA_DIR", "CONFIG", "LOG_LEVEL", "LOG_FORMAT")


@dataclass(frozen=True, slots=True)
class OwnServer:
    """The server that a command started."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def problem(self) -> str | None:
        """Return why it has ended; None while it has not."""
        status = self.process.poll()
        return None if status is None else f"The server of this command ended with status {status}.{_end_of(self.log)}"


@contextmanager
def run_own_server(settings: Settings, config: Path | None) -> Generator[OwnServer]:
    """Run a server on a free port of loopback over the data directory of the settings; end it in the end.

    Args:
        settings: Those of the command.
        config: The file that describes the endpoints, if the command names one.

    Raises:
        StartError: The directory cannot be used, or the server is not ready in time; with the end of its log.
    """
    directory = settings.data_dir
    make_data_directory(directory)
    log = directory / _LOG
    arguments = ["own-server", "--data-dir", str(directory), "--parent", str(os.getpid())]
    arguments += [] if config is None else ["--config", str(config)]
    environment = {name: value for name, value in os.environ.items() if name not in {PREFIX + each for each in _OTHERS}}
    environment.setdefault(f"{PREFIX}GATEWAY", "off")  # nobody else calls models through it
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments made here
            [sys.executable, "-m", "evalhaven", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # In a session of its own, so that Ctrl-C reaches the command alone, which then ends it in order.
            start_new_session=True,
        )
    try:
        yield OwnServer(process, _url_when_ready(process, directory, log), log)
    finally:
        stop_server(process)


def end_with_parent(parent: int) -> None:
    """End this server together with the command that started it.

    The kernel kills it at once, where it is Linux; elsewhere it looks twice a second, and ends in order.

    Args:
        parent: Number of that command's process.
    """
    if die_with_parent(parent):
        return

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOKS_EACH_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()


def _url_when_ready(process: subprocess.Popen[bytes], directory: Path, log: Path) -> str:
    until = time.monotonic() + _READY_WITHIN_S
    pause_s, reasons = _POLL_S, ""
    with httpx2.Client(timeout=5.0, trust_env=False, verify=False) as client:
        while time.monotonic() < until:
            if process.poll() is not None:
                raise StartError(f"The server of this command ended before it was ready.{_end_of(log)}")
            holder = find_holder(directory)
            if holder is not None and holder.url is not None and holder.process == str(process.pid):
                with suppress(httpx2.TransportError):
                    answer = client.get(f"{holder.url}/readyz")
                    if answer.is_success:
                        return holder.url
                    reasons, passes = why_not_ready(answer.content)
                    if not passes:
                        raise StartError(f"The server of this command cannot work: {reasons}")
                    pause_s = min(pause_s * 1.5, _LONGEST_POLL_S)
            time.sleep(pause_s)
    why = f" {reasons}" if reasons else _end_of(log)
    raise StartError(f"The server of this command was not ready within {_READY_WITHIN_S:.0f} s.{why}")


def why_not_ready(body: bytes) -> tuple[str, bool]:
    """Return the reasons that a server gives for not being ready, and whether they may pass while it starts.

    Args:
        body: The answer to `/readyz`.
    """
    try:
        said = jsontext.parse(body)
    except jsontext.InvalidJsonError:
        said = None
    given = said.get("reasons") if isinstance(said, dict) else None
    reasons = " ".join(str(each) for each in given) if isinstance(given, list) else ""
    # Nobody frees a disk meanwhile.
    return reasons, not (isinstance(said, dict) and said.get("disk") == "unavailable")


def _end_of(log: Path) -> str:
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join([f" The log {str(log)!r} ends with:", *(lines or ["(nothing)"])])
    return ""


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to stop; kill it and its children if it takes too long or Ctrl-C is pressed again.

    Args:
        process: It leads a session of its own.
    """
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOPS_WITHIN_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
