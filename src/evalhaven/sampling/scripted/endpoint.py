"""The scripted endpoint: answers by rules, offline, instead of a network."""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

import anyio

from evalhaven.domain import jsontext
from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject
from evalhaven.sampling.scripted.replies import (
    Answer,
    FinishReason,
    Request,
    Tokens,
    count_tokens,
    read_request,
    reply_body,
)
from evalhaven.sampling.scripted.schema_instances import SchemaAnswers
from evalhaven.sampling.scripted.streams import stream_of
from evalhaven.sampling.transport.replies import HttpReply, StreamedReply, TransportError

_GROUP = re.compile(r"\{(\d{1,3})\}")
_MARK = "ANSWER:"
_PATTERN_S = 0.1
_MOST_SCHEMAS = 64
_OK = 200
_HEADERS = {"content-type": "application/json"}
_STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8"}
_CODES = {400: "invalid_value", 401: "invalid_api_key", 403: "forbidden", 404: "not_found", 429: "rate_limit_exceeded"}


class RuleError(Exception):
    """A rule cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class When:
    """A pattern of a rule: a regular expression that is looked for in the last user message."""

    source: str
    _compiled: Any

    @classmethod
    def of(cls, source: str) -> "When":
        """Compile a pattern.

        Raises:
            RuleError: The text is not a regular expression.
        """
        # Unlike the standard library's, its matching can be stopped. It loads slowly, and most servers never need it.
        import regex  # noqa: PLC0415

        try:
            return cls(source, regex.compile(source))
        except regex.error as error:
            raise RuleError(f"when: is not a regular expression: {error}") from error

    @property
    def groups(self) -> int:
        """Return how many groups it has."""
        return self._compiled.groups

    def find(self, text: str) -> list[str] | None:
        """Return what it matches, and its groups; None if it is not found.

        Raises:
            TimeoutError: Matching takes too long.
        """
        found = self._compiled.search(text, timeout=_PATTERN_S)
        return None if found is None else [found.group(), *(group or "" for group in found.groups())]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is answered to some requests.

    Attributes:
        when: Found in the last user message of a request that it answers; None answers all.
        model: Pattern of the models for which it answers; None answers for all.
        answer: The text, in which `{0}` is what was found and `{1}` its first group; None is the default answer.
        status: 200, or that of an error, whose message is the answer.
        latency_ms: How long the answer takes.
        finish_reason: Why the answer ends.
        usage: The tokens reported; None counts words.
        refuses: Whether the answer is said as a refusal.
    """

    when: When | None = None
    answer: str | None = None
    status: int = _OK
    latency_ms: int = 0
    finish_reason: FinishReason = "stop"
    usage: Tokens | None = None
    model: str | None = None
    refuses: bool = False

    def is_for(self, model: str) -> bool:
        """Tell whether it answers for a model."""
        return self.model is None or fnmatchcase(model, self.model)

    def check(self) -> None:
        """Refuse an answer that names a group which the pattern does not have.

        Raises:
            RuleError: The answer names such a group.
        """
        groups = self.when.groups if self.when is not None else 0
        for number in _GROUP.findall(self.answer or ""):
            if int(number) > groups:
                raise RuleError(f"answer: has {{{number}}}, but `when` has {groups} groups")

    def text(self, found: list[str]) -> str | None:
        """Return the answer with what was found put in; None for the default answer."""
        if self.answer is None:
            return None
        return _GROUP.sub(lambda match: found[int(match[1])], self.answer)


@dataclass(frozen=True, slots=True)
class Script:
    """The rules of a scripted endpoint; the first one that fits answers, else the default answer is given."""

    rules: tuple[Rule, ...] = ()


DEFAULT_RULE = Rule()


class ScriptedTransport:
    """Answers requests of both protocols by rules; the same request always gets the same answer.

    The default answer is what follows the last `ANSWER:` of the last user message, up to the end of its line, else
    that whole message. A request for JSON of a schema gets it where it fits, else the least value that does, with it
    as the `result` where it fits there: so a judge answers what its question says.
    """

    def __init__(self, script: Script) -> None:
        """Answer by a script."""
        self._script = script
        self._schemas = SchemaAnswers(_MOST_SCHEMAS)
        self._streamed = count()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        """Return the answer to a request.

        Raises:
            TransportError: The rule takes longer than `timeout_s`.
        """
        return await self._reply(url, body, timeout_s, b"", 0)

    async def _reply(self, url: str, body: bytes, timeout_s: float, mark: bytes, created_at: int) -> HttpReply:
        """Return the answer to a request; its id is made of body and mark."""
        path = url.partition("?")[0]
        if not path.endswith(("/chat/completions", "/responses")):
            return _error(404, f"A scripted endpoint has no {path}.")
        try:
            request = read_request(jsontext.parse(body), is_chat=path.endswith("/chat/completions"))
        except InvalidJsonError as error:
            return _error(400, f"The request is not JSON: {error}.")
        try:
            rule, found = self._find_rule(request)
        except TimeoutError:
            return _error(400, "A rule's pattern takes too long on this message.")
        if rule.latency_ms > timeout_s * 1000:
            await anyio.sleep(timeout_s)
            raise TransportError("timeout", f"the scripted endpoint did not answer within {timeout_s:g} s")
        if rule.latency_ms:
            await anyio.sleep(rule.latency_ms / 1000)
        text = rule.text(found)
        if rule.status != _OK:
            return _error(rule.status, text or "The rule says so.")
        try:
            text = self._default_text(request) if text is None else text
        except InvalidRequestError as error:
            return _error(400, error.message)
        return HttpReply(_OK, _HEADERS, reply_body(request, _answer(rule, request, text), body + mark, created_at))

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float, silence_s: float
    ) -> AsyncGenerator[StreamedReply]:
        """Yield the answer to a request, word by word if it asks for a stream; see `HttpTransport.stream`.

        Raises:
            TransportError: The rule takes longer than `timeout_s`.
        """
        # Programs tell their calls apart by id, so the same call made again gets another one.
        now = Clock().now()
        mark = f"{now} {next(self._streamed)}".encode()
        reply = await self._reply(url, body, timeout_s, mark, int(now))
        request = jsontext.parse(body) if reply.status == _OK else None
        if isinstance(request, dict) and request.get("stream") is True:
            events = stream_of(reply.body, request, is_chat=url.partition("?")[0].endswith("/chat/completions"))
            yield StreamedReply(_OK, _STREAM_HEADERS, _each(events))
        else:
            length = {"content-length": str(len(reply.body))}
            yield StreamedReply(reply.status, {**reply.headers, **length}, _each([reply.body]))

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """Return an empty list of models for `/models`, since it serves any name."""
        if not url.partition("?")[0].endswith("/models"):
            return _error(404, "A scripted endpoint lists models only.")
        return HttpReply(_OK, _HEADERS, b'{"object":"list","data":[]}')

    def _find_rule(self, request: Request) -> tuple[Rule, list[str]]:
        text = request.last_user_text
        for rule in self._script.rules:
            if not rule.is_for(request.model):
                continue
            found = [text] if rule.when is None else rule.when.find(text)
            if found is not None:
                return rule, found
        return DEFAULT_RULE, [text]

    def _default_text(self, request: Request) -> str:
        _, mark, rest = request.last_user_text.rpartition(_MARK)
        text = rest.partition("\n")[0].strip() if mark else request.last_user_text
        if request.schema is not None:
            return self._schemas.answer(request.schema, text)
        if request.wants_object and not _is_object(text):
            return jsontext.render({"answer": text})
        return text


def _answer(rule: Rule, request: Request, text: str) -> Answer:
    """Return an answer, cut off if it is longer than the request allows."""
    reason = rule.finish_reason
    count = count_tokens(text)
    if request.max_tokens is not None and count > request.max_tokens:
        text, count, reason = _first_words(text, request.max_tokens), request.max_tokens, "length"
    return Answer(text, reason, rule.usage or Tokens(request.tokens, 0, count, 0), rule.refuses)


def _first_words(text: str, count: int) -> str:
    words = re.finditer(r"\S+", text)
    end = 0
    for _, word in zip(range(count), words, strict=False):
        end = word.end()
    return text[:end]


def _is_object(text: str) -> bool:
    try:
        return isinstance(jsontext.parse_received(text), dict)
    except InvalidJsonError:
        return False


async def _each(parts: Iterable[bytes]) -> AsyncGenerator[bytes]:
    for part in parts:
        yield part


def _error(status: int, message: str) -> HttpReply:
    kind = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004 - HTTP's own border
    error: JsonObject = {"message": message, "type": kind, "param": None, "code": _CODES.get(status, kind)}
    return HttpReply(status, _HEADERS, jsontext.render({"error": error}).encode())
