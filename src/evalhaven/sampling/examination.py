"""Whether the endpoints of models answer: each is asked for its list of models."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import anyio
import msgspec

from evalhaven.domain.jsontext import InvalidJsonError, parse_reply
from evalhaven.domain.wording import counted
from evalhaven.sampling.applications.commands import find_program
from evalhaven.sampling.catalog import Endpoint, is_exact
from evalhaven.sampling.secrets import secrets_of
from evalhaven.sampling.transport.replies import HttpReply, TransportError

_OK = 200
_SERVER_FAULT = 500
_KEY_REFUSED = (401, 403)
_NOT_FOUND = 404
_UNIMPLEMENTED = 501  # of GET: Python's own server says so
_LOOP = 508
_SHOWN_NAMES = 5
_SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part, such as an endpoint.

    Attributes:
        text: In a sentence.
        is_problem: Whether it needs attention.
        took_ms: Milliseconds until it answered; None if it was not asked, or did not answer.
    """

    text: str
    is_problem: bool = False
    took_ms: int | None = field(default=None, compare=False)


class _Listed(msgspec.Struct):
    id: str = ""


class _List(msgspec.Struct):
    data: list[_Listed]


_LISTS = msgspec.json.Decoder(_List)


async def examine_endpoints(endpoints: Sequence[Endpoint], timeout_s: float = 5.0) -> list[Finding]:
    """Return the finding about each endpoint, in their order; all are asked at once."""
    findings = [Finding("")] * len(endpoints)

    async def examine(index: int, endpoint: Endpoint) -> None:
        finding = await _examine(endpoint, timeout_s)
        findings[index] = replace(finding, text=f"Endpoint {endpoint.name}: {finding.text}")

    async with anyio.create_task_group() as tasks:
        for index, endpoint in enumerate(endpoints):
            tasks.start_soon(examine, index, endpoint)
    return findings


async def _examine(endpoint: Endpoint, timeout_s: float) -> Finding:
    serves = f"It serves {', '.join([*endpoint.aliases, *endpoint.models])}."
    unasked = _find_unasked(endpoint)
    if unasked is not None:
        return unasked if unasked.is_problem else replace(unasked, text=f"{unasked.text} {serves}")
    # It loads slowly, and is needed only once an endpoint is asked.
    from evalhaven.sampling.transport.client import open_transport  # noqa: PLC0415

    started = perf_counter()
    url = endpoint.url_of("" if endpoint.is_application else "/models")
    try:
        with anyio.fail_after(timeout_s):
            async with open_transport(replace(endpoint.transport, connect_timeout_s=timeout_s)) as transport:
                reply = await transport.get(url, endpoint.headers, timeout_s)
    except TimeoutError:
        return Finding(f"{endpoint.base_url} did not answer within {timeout_s:g} s.", is_problem=True)
    except (TransportError, ValueError, OSError) as error:
        # A reply that is not HTTP may repeat what was sent.
        said = secrets_of(endpoint).hide(str(error)).rstrip(".")[:_SHOWN_CHARS]
        return Finding(f"{endpoint.base_url} cannot be reached: {said}.", is_problem=True)
    took_ms = round((perf_counter() - started) * 1000)
    finding = replace(_judge(endpoint, reply, took_ms), took_ms=took_ms)
    return finding if finding.is_problem else replace(finding, text=f"{finding.text} {serves}")


def _find_unasked(endpoint: Endpoint) -> Finding | None:
    """Return what is known of an endpoint that is not asked; None: it is asked."""
    command = endpoint.command
    if endpoint.script is not None:
        rules = len(endpoint.script.rules)
        return Finding(f"answers offline, by {counted(rules, 'rule') if rules else 'no rules'} and the default.")
    if command is not None:
        program = find_program(command)
        if not command.directory.is_dir():
            return Finding(f"its directory {command.directory} is not there.", is_problem=True)
        if program is None:
            return Finding(f"there is no program {command.arguments[0]!r} that can be executed.", is_problem=True)
        return Finding(f"starts {program} for each call, and was not tried.")
    if not endpoint.lists_models and not endpoint.is_application:
        return Finding(f'{endpoint.base_url} is not asked (`check = "none"`).')
    return None


def _judge(endpoint: Endpoint, reply: HttpReply, took_ms: int) -> Finding:
    """Return what the answer to a request for models means; its body is not shown, since it may quote a key."""
    url, status = endpoint.base_url, reply.status
    if status in _KEY_REFUSED:
        reason = "refuses the key" if endpoint.has_key else "wants a key, and none is configured"
        return Finding(f"{url} {reason} ({status}).", is_problem=True)
    if status == _LOOP:
        return Finding(f"{url} is Evalhaven itself, not a server of models.", is_problem=True)
    if status >= _SERVER_FAULT and not (endpoint.is_application and status == _UNIMPLEMENTED):
        return Finding(f"{url} answers {status}.", is_problem=True)
    if endpoint.is_application:
        # It is asked by POST, which would make it work; any answer to GET says that it is there.
        return Finding(f"the application at {url} answers in {took_ms} ms ({status} to GET).")
    if status == _OK:
        return _judge_list(endpoint, reply, took_ms)
    hint = "" if url.endswith("/v1") else ", perhaps its address must end in /v1"
    cause = f" (not found{hint})" if status == _NOT_FOUND else _redirection(endpoint, reply)
    return Finding(f"{url} answers {status}{cause} and lists no models; calls may work all the same.")


def _judge_list(endpoint: Endpoint, reply: HttpReply, took_ms: int) -> Finding:
    url = endpoint.base_url
    try:
        # Gemini lists its names after "models/", but they are sent without it.
        names = {listed.id.removeprefix("models/") for listed in _read_list(reply.body).data}
    except (msgspec.ValidationError, InvalidJsonError):
        return Finding(f"{url} answers in {took_ms} ms, but with no list of models.")
    text = f"{url} answers in {took_ms} ms and lists {counted(len(names), 'model')}."
    wanted = [*filter(is_exact, endpoint.models), *endpoint.aliases.values()]
    missing = [name for name in dict.fromkeys(wanted) if names and name not in names]
    if missing:
        more = len(missing) - _SHOWN_NAMES
        text += f" Not among them: {', '.join(missing[:_SHOWN_NAMES])}{f' and {more:,} more' if more > 0 else ''}."
    return Finding(text)


def _redirection(endpoint: Endpoint, reply: HttpReply) -> str:
    location = reply.headers.get("location", "").strip()
    return f" (and points to {secrets_of(endpoint).hide(location)[:_SHOWN_CHARS]})" if location else ""


def _read_list(body: bytes) -> _List:
    """Return a list of models; the parts that nobody reads may hold anything.

    Raises:
        InvalidJsonError: The body is not JSON.
        ValidationError: The JSON is not a list of models.
    """
    try:
        return _LISTS.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return msgspec.convert(parse_reply(body), _List)
