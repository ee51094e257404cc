"""Secrets: values that are sent to authenticate, and must not be kept in a text that came from outside.

Endpoints, proxies and gateways repeat what they were sent, in JSON, in an address or on a page. Code that keeps or
shows such a text hides the secrets in it first, and shortens it afterwards.
"""

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

MASK = "***"
_MASK_BYTES = MASK.encode()
SHORTEST = 4  # shorter texts would be struck out of words that are not secrets


@dataclass(frozen=True, slots=True)
class Secrets:
    """Texts that must not be shown, in every form in which a server may repeat them, longest first."""

    forms: tuple[str, ...] = ()
    encoded: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Secrets":
        """Return these texts as secrets; those that are too short are left out."""
        forms = {form for text in texts if len(text) >= SHORTEST for form in _forms_of(text)}
        ordered = sorted(forms, key=len, reverse=True)
        return cls(tuple(ordered), tuple(form.encode("utf-8", "replace") for form in ordered))

    def hide(self, text: str) -> str:
        """Return a text with the secrets hidden."""
        for form in self.forms:
            text = text.replace(form, MASK)
        return text

    def hide_in(self, body: bytes) -> bytes:
        """Return the bytes of a text with the secrets hidden; a text without secrets is returned unchanged."""
        for form in self.encoded:
            body = body.replace(form, _MASK_BYTES)
        return body


def _forms_of(text: str) -> Iterable[str]:
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    encodable = text.encode("utf-8", "replace").decode()
    yield quote(encodable, safe="")
    yield quote(encodable)
    yield quote_plus(encodable)
