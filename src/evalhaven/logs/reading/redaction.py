"""What of a call must not be stored: what matches the operator's patterns, and the secrets of tools."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.masking import Secrets
from evalhaven.domain.tool_secrets import masked, may_hold_secrets, secrets_in
from evalhaven.logs.reading.events import UnreadableReplyError

REDACTED = "[redacted]"
# Calls are found and told apart by these members of a request or a reply, which users do not write.
_KEPT = frozenset({"id", "object", "model", "previous_response_id"})
_PATTERN_S = 1.0


class InvalidPatternError(ValueError):
    """A pattern is not a regular expression; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """Replaces what must not be stored, in every text of a request and its reply."""

    _patterns: tuple[Any, ...] = ()

    @classmethod
    def of(cls, patterns: Sequence[str]) -> "Redaction":
        """Compile patterns.

        Raises:
            InvalidPatternError: A text is not a regular expression, or one that finds something everywhere.
        """
        # Unlike the standard library's, its matching can be stopped. It loads slowly, and most servers never need it.
        if not patterns:
            return cls()
        import regex  # noqa: PLC0415

        compiled: list[Any] = []
        for pattern in patterns:
            try:
                compiled.append(regex.compile(pattern))
            except regex.error as error:
                raise InvalidPatternError(f"{pattern!r} is not a regular expression: {error}") from error
            if compiled[-1].search(""):
                raise InvalidPatternError(f"{pattern!r} matches the empty text, which is everywhere")
        return cls(tuple(compiled))

    def may_change(self, texts: Iterable[str]) -> bool:
        """Tell whether `apply` may change documents, by the texts that `jsontext.render` made of them.

        Few calls have anything to hide, and a text shows that many times as fast as the values do.
        """
        return bool(self._patterns) or any(map(may_hold_secrets, texts))

    def apply(self, request: JsonObject, reply: JsonObject) -> tuple[JsonObject, JsonObject]:
        """Return a request and its reply as they may be stored and shown.

        Raises:
            UnreadableReplyError: Looking for a pattern takes too long, so nobody knows what may be stored.
        """
        # A model, or a tool that failed, may repeat what it was sent.
        secrets = Secrets.of([*secrets_in(request), *secrets_in(reply)])
        request, reply = masked(request), masked(reply)
        if not secrets.forms and not self._patterns:
            return request, reply
        try:
            return self._redacted(request, secrets), self._redacted(reply, secrets)
        except TimeoutError as error:
            raise UnreadableReplyError("looking for a pattern of EVALHAVEN_LOG_REDACT in it takes too long") from error

    def _redacted(self, document: JsonObject, secrets: Secrets) -> JsonObject:
        return {key: value if key in _KEPT else self._value(value, secrets) for key, value in document.items()}

    def _value(self, value: JsonValue, secrets: Secrets) -> JsonValue:
        if isinstance(value, str):
            text = secrets.hide(value)
            for pattern in self._patterns:
                text = pattern.sub(REDACTED, text, timeout=_PATTERN_S)
            return text
        if isinstance(value, dict):
            return {key: self._value(member, secrets) for key, member in value.items()}
        return [self._value(element, secrets) for element in value] if isinstance(value, list) else value
