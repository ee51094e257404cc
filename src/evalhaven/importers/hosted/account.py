"""Whose evals are read: the address, and who asks.

`OPENAI_BASE_URL` is not read: users who migrate point it at the new server, while an export must reach the old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

Query = Mapping[str, str | int]

OPENAI_KEY = "OPENAI_API_KEY"
AZURE_KEY = "AZURE_OPENAI_API_KEY"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OPENAI_HOST = "api.openai.com"
# Azure's clouds, and the gateways in front of them.
_AZURE_HOSTS = (".azure.com", ".azure.us", ".azure.cn", ".azure-api.net")
# Under these names only Azure itself answers; under its other names anybody's machine may.
_AZURE_API_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com", ".openai.azure.us")
OWNER_HEADERS = {"OPENAI_ORG_ID": "openai-organization", "OPENAI_PROJECT_ID": "openai-project"}


class AccountError(Exception):
    """The account cannot be addressed; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose evals are read, and with how much load.

    Attributes:
        base_url: Such as https://api.openai.com/v1.
        headers: Who asks; never logged or written.
        query: Added to each request.
        secrets: Texts that must not appear in any message.
        concurrency: Requests at once.
        tries: How many times a request is made before it counts as failed.
        timeout_s: Seconds without a byte after which a request counts as timed out.
    """

    base_url: str
    headers: Mapping[str, str]
    query: Query
    secrets: tuple[str, ...]
    concurrency: int = 4
    tries: int = 8
    timeout_s: float = 60.0

    def hide_secrets(self, text: str) -> str:
        """Return a text without the key, in case a server repeated it."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def read_account(environment: Mapping[str, str], base_url: str, api_version: str | None, **manners: float) -> Account:
    """Return the account for an address and the key in the environment.

    Args:
        environment: Holds the key, and the organisation and project if they are set.
        base_url: Such as https://api.openai.com/v1 or https://name.openai.azure.com/openai/v1.
        api_version: Azure's `api-version`; None if the address needs none.
        manners: Fields of `Account`.

    Raises:
        AccountError: There is no key, or the address is not valid.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AccountError(f"--base-url {base_url!r} is not an address: an address begins with https:// or http://.")
    if parts.username is not None or parts.query or parts.fragment:
        raise AccountError("--base-url holds more than an address: leave out keys and queries.")
    if api_version is not None and _is_openai(parts.hostname):
        raise AccountError(
            f"--api-version is Azure's, and {parts.hostname} is OpenAI's: name Azure's address with --base-url, "
            "or leave the version out. No key was sent."
        )
    is_azure = is_azures(base_url, api_version)
    variable, other = (AZURE_KEY, OPENAI_KEY) if is_azure else (OPENAI_KEY, AZURE_KEY)
    key = environment.get(variable, "").strip()
    if not key:
        hint = ""
        if environment.get(other):
            whose = "OpenAI" if is_azure else "Azure"
            hint = (
                f" {other} is set, but goes to {whose} alone: for an account there, name its address with --base-url."
            )
        raise AccountError(f"{variable} is not set: put the key of the account to export into the environment.{hint}")
    if not key.isascii() or not key.isprintable():
        raise AccountError(f"{variable} holds characters that cannot be part of a key.")
    headers = {"api-key": key} if is_azure else {"authorization": f"Bearer {key}"}
    if not is_azure:
        headers |= {header: environment[name] for name, header in OWNER_HEADERS.items() if environment.get(name)}
    query = {} if api_version is None else {"api-version": api_version}
    return Account(base_url=base_url.rstrip("/"), headers=headers, query=query, secrets=(key,), **manners)  # pyright: ignore[reportArgumentType]


def is_azures(base_url: str, api_version: str | None) -> bool:
    """Tell whether an address is called in Azure's way, with Azure's key."""
    return api_version is not None or (urlsplit(base_url).hostname or "").endswith(_AZURE_HOSTS)


def is_well_known(base_url: str) -> bool:
    """Tell whether an address is OpenAI's, Azure's or this machine's, so that a key may go there without asking."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    is_vendor = _is_openai(host) or host.endswith(_AZURE_API_HOSTS)
    return host in _LOOPBACK or (parts.scheme == "https" and is_vendor)


def _is_openai(host: str) -> bool:
    # Some regions have an address of their own.
    return host == _OPENAI_HOST or host.endswith(f".{_OPENAI_HOST}")
