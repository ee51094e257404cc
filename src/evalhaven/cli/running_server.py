"""The running server that `doctor` asks for its settings and parts, instead of guessing from the shell's."""

from dataclasses import dataclass
from typing import TypeVar

import anyio
import httpx2
from pydantic import BaseModel, ValidationError

from evalhaven.app.client import find_server, open_client
from evalhaven.app.shown_settings import taken_over
from evalhaven.app.stores import StartError
from evalhaven.domain import jsontext
from evalhaven.sampling.examination import Finding
from evalhaven.settings import Settings
from evalhaven.storage.lock import find_holder
from evalhaven.wire.server import ServerExamination, ServerSettings, ServerState

_TIMEOUT_S = 5.0
_EXAMINATION_TIMEOUT_S = 30.0  # longer than the server waits for any of its endpoints

Told = TypeVar("Told", bound=BaseModel)


class NoTalkError(Exception):
    """There is a server, but it does not give the answer; the message says why."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answered.

    Attributes:
        url: Its address.
        told: What it says about its settings.
        settings: The same, with the secrets of this process.
        readiness: What it says about its own state.
        is_ready: Whether it serves requests and executes runs.
        is_here: Whether its data directory is the one of that name on this machine.
        needs_keys: Whether every request needs a key; None if it does not say so.
    """

    url: str
    told: ServerSettings
    settings: Settings
    readiness: str
    is_ready: bool
    is_here: bool
    needs_keys: bool | None


def ask_server(settings: Settings) -> RunningServer | None:
    """Ask the server that commands work with for its settings and state; None if there is none.

    Raises:
        NoTalkError: The server does not answer, or not as this release does.
        InUseError: The process that holds the data directory has not said where it is reached.
        StartError: The data directory cannot be read.
    """
    url = find_server(settings)
    return None if url is None else anyio.run(_ask, settings.model_copy(update={"url": url}), url)


def examine_at(running: RunningServer, settings: Settings) -> list[Finding]:
    """Return what a server found about its endpoints.

    Args:
        running: The server.
        settings: Those of this process, which include the key that is sent.

    Raises:
        NoTalkError: The server does not answer.
    """
    url = settings.url or running.url
    return anyio.run(_examine, settings.model_copy(update={"url": url}), running.url)


def settings_in_effect(settings: Settings) -> tuple[Settings, str]:
    """Return the settings of the server that runs here, else those of this process, and a text that says whose."""
    try:
        running = ask_server(settings)
    except (NoTalkError, StartError) as error:
        return settings, f"Settings of this shell. {error}"
    if running is None or not running.is_here:
        return settings, "Settings of this shell; no server is running on the data directory."
    return running.settings, f"Settings of the server at {running.url} (process {running.told.process})."


async def _ask(settings: Settings, url: str) -> RunningServer:
    try:
        shown_url = str(httpx2.URL(url).copy_with(username=None, password=None)).rstrip("/").removesuffix("/v1")
    except httpx2.InvalidURL as error:
        raise NoTalkError(f"The server's address is not valid: {error}.") from error
    try:
        async with open_client(settings) as client:
            answer = await client.get("/api/settings", timeout=_TIMEOUT_S)
            told = _read(answer, ServerSettings, shown_url)
            ready = await client.get("/readyz", timeout=_TIMEOUT_S)
            state = await client.get("/api/server", timeout=_TIMEOUT_S)
    except httpx2.HTTPError as error:
        raise _silence(shown_url, error) from error
    try:
        taken = taken_over(told, settings)
    except ValueError as error:
        raise NoTalkError(f"The server at {shown_url} runs release {told.version}, whose settings differ.") from error
    holder = _holder_of(taken)
    return RunningServer(
        shown_url,
        told,
        taken,
        _readiness(ready),
        ready.is_success,
        is_here=holder == str(told.process),
        needs_keys=_read(state, ServerState, shown_url).access == "keys" if state.is_success else None,
    )


async def _examine(settings: Settings, url: str) -> list[Finding]:
    try:
        async with open_client(settings) as client:
            answer = await client.post("/api/examination", timeout=_EXAMINATION_TIMEOUT_S)
            found = _read(answer, ServerExamination, url)
    except httpx2.HTTPError as error:
        raise _silence(url, error) from error
    return [Finding(each.text, is_problem=each.is_problem) for each in found.findings]


def _read(answer: httpx2.Response, shape: type[Told], url: str) -> Told:
    if not answer.is_success:
        raise NoTalkError(f"What answers at {url} does not tell its settings (status {answer.status_code}).")
    try:
        return shape.model_validate_json(answer.content)
    except ValidationError as error:
        raise NoTalkError(f"What answers at {url} is not a server of this release.") from error


def _silence(url: str, error: httpx2.HTTPError) -> NoTalkError:
    reason = f"no answer within {_TIMEOUT_S:g} s" if isinstance(error, httpx2.TimeoutException) else str(error)
    return NoTalkError(f"The server at {url} does not answer: {reason or type(error).__name__}.")


def _readiness(answer: httpx2.Response) -> str:
    """Return what a server says about its parts, such as "database ok, executor ok", and why it cannot work."""
    try:
        body = jsontext.parse(answer.content)
    except jsontext.InvalidJsonError:
        body = None
    if not isinstance(body, dict):
        return f"status {answer.status_code}"
    parts = [f"{name.replace('_', ' ')} {value}" for name, value in body.items() if isinstance(value, str)]
    reasons = body.get("reasons")
    told = [str(reason).rstrip(".") for reason in reasons] if isinstance(reasons, list) else []
    return ": ".join([", ".join(parts), *(["; ".join(told)] if told else [])])


def _holder_of(settings: Settings) -> str | None:
    try:
        holder = find_holder(settings.data_dir)
    except OSError:
        return None
    return None if holder is None else holder.process
