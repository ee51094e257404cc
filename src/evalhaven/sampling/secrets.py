"""What an endpoint's configuration must not show: keys, headers, values of the query and variables, passwords."""

import base64
import binascii
import os
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from evalhaven.domain.masking import Secrets
from evalhaven.sampling.catalog import Endpoint
from evalhaven.sampling.transport.interface import TransportOptions

# Their purpose makes these values public, and errors about them are useless without them.
_PUBLIC = frozenset({"accept", "api-version", "content-type", "http-referer", "referer", "user-agent", "x-title"})
_SECRET_NAMES = ("auth", "key", "token", "secret", "cookie", "password", "credential", "signature")
_SCHEMES = ("apikey", "basic", "bearer", "digest", "negotiate", "token")
_SHORTEST_UNNAMED = 6  # `x-team: evals` is not a secret, and would strike out a word
_SHORTEST_KEY, _SHORTEST_UNNAMED_KEY = 8, 16
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def secrets_of(endpoint: Endpoint) -> Secrets:
    """Return everything that an endpoint is sent, or reached by, and that must not be repeated."""
    sent = _sent_to(endpoint)
    return Secrets.of([*_sent_secrets(sent), *_proxy_secrets(endpoint.transport)])


def keys_of(endpoint: Endpoint) -> Secrets:
    """Return values that are keys by name or appearance, which no answer has a reason to hold.

    The values of other headers may be words of an answer, which must stay as it is.
    """
    found: list[str] = []
    for name, value in _sent_to(endpoint):
        is_named = any(part in name.lower() for part in _SECRET_NAMES)
        shortest = _SHORTEST_KEY if is_named else _SHORTEST_UNNAMED_KEY
        texts = _sent_secrets([(name, value)])
        found += [text for text in texts if len(text) >= shortest and not any(map(str.isspace, text))]
    return Secrets.of(found)


def _sent_to(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return headers, values of the query and variables of the environment, with their names."""
    variables = () if endpoint.command is None else endpoint.command.variables.items()
    return [*endpoint.headers.items(), *parse_qsl(endpoint.query), *variables]


def _sent_secrets(sent: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in sent:
        lowered = name.lower()
        if any(part in lowered for part in _SECRET_NAMES):
            scheme, _, rest = value.partition(" ")
            yield from (rest if scheme.lower() in _SCHEMES else value).split()
            yield from _password_in(value)
        elif lowered not in _PUBLIC and len(value) >= _SHORTEST_UNNAMED:
            yield value


def _password_in(value: str) -> Iterator[str]:
    scheme, _, coded = value.partition(" ")
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(coded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield from (pair, pair.partition(":")[2])


def _proxy_secrets(options: TransportOptions) -> Iterator[str]:
    yield from _proxy_password(options.proxy or "")
    if options.trust_env and options.proxy is None:
        environment: Mapping[str, str] = os.environ
        for name in _PROXIES:
            yield from _proxy_password(environment.get(name) or environment.get(name.upper(), ""))


def _proxy_password(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        username, password = parts.username, parts.password
    except ValueError:
        return
    if password:
        pair = f"{unquote(username or '')}:{unquote(password)}"
        yield from (password, unquote(password), pair, base64.b64encode(pair.encode()).decode())
