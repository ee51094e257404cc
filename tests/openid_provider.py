"""A real provider of OpenID Connect for tests (oidc-provider-mock), and what can be wrong with one.

It runs in a process of its own: `with running_provider() as provider`. In front of it stands what that one lacks: it
checks PKCE, a code works once, its keys can be changed, and its tokens can be made wrong in one way at a time.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

_READY_S = 240.0  # only a busy machine needs so long
FAULTS = "/faults"
_STYLE_SHEET = re.compile(rb"<link\b[^>]*>")
_Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True)
class OpenIdProvider:
    """A provider that is running."""

    url: str

    def set_user(self, subject: str, **claims: Any) -> None:
        """Let the provider know somebody."""
        httpx2.put(f"{self.url}/users/{subject}", json=claims, trust_env=False, verify=False).raise_for_status()

    def be_wrong(self, **faults: Any) -> None:
        """Make the tokens from now on wrong; without faults, right again.

        Args:
            faults: `claims`: what they say instead; `key`: "unknown" or "other", by which they are signed; `rotated`:
                how many times the provider has changed its key.
        """
        httpx2.put(f"{self.url}{FAULTS}", json=faults, trust_env=False, verify=False).raise_for_status()


@contextlib.contextmanager
def running_provider() -> Generator[OpenIdProvider]:
    """Run a provider; `localhost`, since the pages of its own name that."""
    from tests.server import free_port  # noqa: PLC0415 - not in the provider's process, which starts faster without

    port = free_port()
    environment = {**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.openid_provider", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            provider = OpenIdProvider(f"http://localhost:{port}")
            deadline = time.monotonic() + _READY_S
            while not _answers(port):
                assert process.poll() is None, "the provider has ended"
                assert time.monotonic() < deadline, "the provider did not start"
                time.sleep(0.05)
            yield provider
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class _Front:
    """Stands in front of the provider, in its process."""

    def __init__(self, app: _Wsgi) -> None:
        self._app = app
        self._faults: dict[str, Any] = {}
        self._challenges: dict[str, str] = {}
        self._keys = [RSAKey.generate_key(2048, {"kid": f"key-{number}", "use": "sig"}) for number in range(3)]

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == FAULTS:
            self._faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return self._answer(start, "200 OK", {})
        if path == "/jwks":
            return self._answer(start, "200 OK", {"keys": [self._key().as_dict(private=False)]})
        if path == "/oauth2/token":
            return self._exchange(environ, start)
        return self._show(environ, start)

    def _show(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Show a page of the provider, without the style sheet that it would load from elsewhere."""
        asked = parse_qs(environ["QUERY_STRING"])
        status, headers, shown = self._ask(environ)
        location = dict(headers).get("Location", "")
        for code in parse_qs(urlsplit(location).query).get("code", []):
            assert asked["code_challenge_method"] == ["S256"]
            self._challenges[code] = asked["code_challenge"][0]
        start(status, [(name, value) for name, value in headers if name.lower() != "content-length"])
        return [_STYLE_SHEET.sub(b"", shown)]

    def _exchange(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        challenge = self._challenges.pop(asked.get("code", ""), None)
        if challenge != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            return self._answer(start, "400 Bad Request", {"error": "invalid_grant"})
        environ["wsgi.input"] = BytesIO(body)
        status, _, answered = self._ask(environ)
        document = json.loads(answered)
        if "id_token" in document:
            document["id_token"] = self._signed(document["id_token"])
        return self._answer(start, status, document)

    def _ask(self, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Return status, headers and body of the provider's own answer."""
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def hear(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
            told.append((status, headers))

        body = b"".join(self._app(environ, hear))
        return *told[-1], body

    def _signed(self, token: str) -> str:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        claims |= self._faults.get("claims", {})
        for name in self._faults.get("without", []):
            claims.pop(name, None)
        key, kind = self._key(), self._faults.get("key")
        if kind == "client_secret":
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("the-secret-of-the-client-here"))
        kid = "unknown" if kind == "unknown" else key.kid
        return jwt.encode({"alg": "RS256", "kid": kid}, claims, self._keys[-1] if kind else key)

    def _key(self) -> Any:
        return self._keys[self._faults.get("rotated", 0)]

    def _answer(self, start: Callable[..., Any], status: str, document: Mapping[str, Any]) -> Iterable[bytes]:
        start(status, [("content-type", "application/json"), ("cache-control", "no-store")])
        return [json.dumps(document).encode()]


def _serve(port: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock  # noqa: PLC0415 - it warns of what it uses, and only its own process needs it
        from werkzeug.serving import make_server  # noqa: PLC0415

        make_server("127.0.0.1", port, _Front(oidc_provider_mock.app()), threaded=True).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
