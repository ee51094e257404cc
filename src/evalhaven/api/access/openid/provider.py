"""The provider of OpenID Connect: where it is, which keys it signs with, and whom it vouches for.

Its tokens come directly from it and are checked all the same: signature, issuer, audience, time, nonce.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import httpx2

from evalhaven.access.providers import is_loopback, is_safe_address
from evalhaven.api.access.openid.client import ProviderClient, open_client
from evalhaven.api.access.openid.errors import LoginError, Problem

if TYPE_CHECKING:
    from joserfc.jwk import Key, KeySet
    from joserfc.jwt import Token

_WELL_KNOWN = "/.well-known/openid-configuration"
# Those that only the provider can make: one signed with the client's secret, or not at all, proves nothing more.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
_READ_AGAIN_S = 3600.0
_TIMES = ("iat", "nbf", "exp")
_LEEWAY_S = 120  # by which its clock and ours may differ


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """How this server is known to a provider.

    Attributes:
        issuer: Its address, as its tokens name it.
        client_id: What the provider calls this server.
        client_secret: By which it knows that it is this server; None for a public client.
        redirect_uri: Where it sends browsers back to.
        logged_out_uri: Where it sends them when they have logged out.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    logged_out_uri: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody for whom a provider vouches.

    Attributes:
        issuer: The provider.
        subject: By what it knows them, for ever.
        email: Their address.
        is_email_verified: Whether the provider has made sure that it is theirs.
        name: What they are called.
    """

    issuer: str
    subject: str
    email: str | None
    is_email_verified: bool
    name: str | None


class Provider:
    """Asks a provider; nothing is asked before somebody wants to log in."""

    def __init__(self, config: ProviderConfig) -> None:
        """Ask nothing yet.

        Args:
            config: How this server is known to it.
        """
        self._config = config
        self._metadata: Mapping[str, Any] = {}
        self._metadata_at = float("-inf")
        self._keys: KeySet | None = None

    async def login_address(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser logs in.

        Args:
            state: Comes back with the browser.
            nonce: Comes back in the token.
            verifier: Shows when the code is exchanged that the same server asked (PKCE).

        Raises:
            LoginError: The provider does not say where.
        """
        async with self._client() as client:
            address = _endpoint(await self._read_metadata(client), "authorization_endpoint")
            return client.create_authorization_url(address, state=state, code_verifier=verifier, nonce=nonce)[0]

    async def exchange(self, code: str, nonce: str, verifier: str) -> Identity:
        """Return for whom a provider vouches with a code, which works once.

        Args:
            code: What the browser brought back.
            nonce: The one of the login.
            verifier: The one of the login.

        Raises:
            LoginError: The provider refuses the code, or its token cannot be trusted.
        """
        async with self._client() as client:
            metadata = await self._read_metadata(client)
            client.token_endpoint_auth_method = _way_to_authenticate(metadata, self._config.client_secret is not None)
            token = await self._fetch_token(client, _endpoint(metadata, "token_endpoint"), code, verifier)
            claims = await self._read_claims(client, metadata, token, nonce)
            if claims.get("email") is None and "userinfo_endpoint" in metadata:
                claims = {**claims, **await self._ask_about(client, metadata, token, str(claims["sub"]))}
            return _identity(str(metadata["issuer"]), claims)

    async def logout_address(self) -> str | None:
        """Return where a browser logs out of the provider, too; None if it says no such place, or nothing now."""
        try:
            async with self._client() as client:
                metadata = await self._read_metadata(client)
            address = _endpoint(metadata, "end_session_endpoint")
        except LoginError:
            return None
        asked = {"client_id": self._config.client_id, "post_logout_redirect_uri": self._config.logged_out_uri}
        return str(httpx2.URL(address).copy_merge_params(asked))

    def _client(self) -> ProviderClient:
        config = self._config
        is_local = is_loopback(config.issuer)
        return open_client(config.client_id, config.client_secret, config.redirect_uri, is_local=is_local)

    async def _read_metadata(self, client: ProviderClient) -> Mapping[str, Any]:
        now = time.monotonic()
        if now - self._metadata_at < _READ_AGAIN_S:
            return self._metadata
        issuer = self._config.issuer.rstrip("/")
        found = await _get(client, f"{issuer}{_WELL_KNOWN}")
        named = found.get("issuer")
        if not isinstance(named, str) or named.rstrip("/") != issuer:
            raise LoginError(
                Problem.MISCONFIGURED,
                f"EVALHAVEN_OIDC_ISSUER is {self._config.issuer!r}, and what it says of itself names {named!r}",
            )
        self._metadata, self._metadata_at, self._keys = found, now, None
        return found

    async def _read_keys(self, client: ProviderClient, metadata: Mapping[str, Any], *, anew: bool) -> "KeySet":
        from joserfc.jwk import KeySet  # noqa: PLC0415

        if self._keys is None or anew:
            found: object = (await _get(client, _endpoint(metadata, "jwks_uri"))).get("keys")
            if not isinstance(found, list):
                raise LoginError(Problem.MISCONFIGURED, "the provider's list of keys is none")
            self._keys = KeySet([key for each in cast("list[Any]", found) if (key := _key(each)) is not None])
        return self._keys

    async def _fetch_token(self, client: ProviderClient, address: str, code: str, verifier: str) -> Mapping[str, Any]:
        from authlib.integrations.httpx_client import OAuthError  # noqa: PLC0415

        try:
            token = await client.fetch_token(
                address, grant_type="authorization_code", code=code, code_verifier=verifier
            )
        except OAuthError as error:
            is_ours = error.error in ("invalid_client", "unauthorized_client")
            problem = Problem.MISCONFIGURED if is_ours else Problem.REFUSED
            raise LoginError(problem, f"the provider refused the code: {error}") from error
        except httpx2.HTTPError as error:
            raise LoginError(Problem.UNREACHABLE, f"{address}: {_told(error)}") from error
        except ValueError as error:
            raise LoginError(Problem.UNTRUSTED, f"{address} did not answer with a token") from error
        if not isinstance(token.get("id_token"), str):
            raise LoginError(Problem.MISCONFIGURED, "the provider's answer has no ID token: is it OpenID Connect?")
        return token

    async def _read_claims(
        self, client: ProviderClient, metadata: Mapping[str, Any], token: Mapping[str, Any], nonce: str
    ) -> Mapping[str, Any]:
        """Return what an ID token says, checked.

        Raises:
            LoginError: It cannot be trusted.
        """
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415
        from joserfc.errors import ClaimError, JoseError  # noqa: PLC0415

        decoded = await self._decode(client, metadata, token["id_token"])
        options: Any = {
            "iss": {"essential": True, "value": metadata["issuer"]},
            "aud": {"essential": True, "value": self._config.client_id},
        }
        params = {"nonce": nonce, "client_id": self._config.client_id, "access_token": token.get("access_token")}
        claims: Any = CodeIDToken(decoded.claims, decoded.header, options, params)
        try:
            claims.validate(leeway=_LEEWAY_S)
        except (JoseError, TypeError, ValueError) as error:
            if isinstance(error, ClaimError) and error.claim in _TIMES:
                times = ", ".join(f"{name} {decoded.claims.get(name)}" for name in _TIMES)
                raise LoginError(Problem.CLOCK, f"the ID token is of {times}, and now is {time.time():.0f}") from error
            raise LoginError(Problem.UNTRUSTED, f"the ID token was not accepted: {error}") from error
        subject = decoded.claims["sub"]
        if not subject or not subject.isprintable():
            raise LoginError(Problem.UNTRUSTED, "the ID token names nobody")
        return decoded.claims

    async def _decode(self, client: ProviderClient, metadata: Mapping[str, Any], id_token: str) -> "Token":
        """Return an ID token that one of the provider's keys has signed.

        Raises:
            LoginError: None has.
        """
        from joserfc import jwt  # noqa: PLC0415
        from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError  # noqa: PLC0415
        from joserfc.jws import JWSRegistry  # noqa: PLC0415

        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        try:
            try:
                keys = await self._read_keys(client, metadata, anew=False)
                return jwt.decode(id_token, keys, registry=registry)
            except (InvalidKeyIdError, BadSignatureError):
                # It signs with a new key since its keys were read.
                keys = await self._read_keys(client, metadata, anew=True)
                return jwt.decode(id_token, keys, registry=registry)
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise LoginError(Problem.UNTRUSTED, f"the ID token was not accepted: {error}") from error

    async def _ask_about(
        self, client: ProviderClient, metadata: Mapping[str, Any], token: Mapping[str, Any], subject: str
    ) -> Mapping[str, Any]:
        bearer = {"authorization": f"Bearer {token.get('access_token')}"}
        found = await _get(client, _endpoint(metadata, "userinfo_endpoint"), bearer)
        if found.get("sub") != subject:
            raise LoginError(Problem.UNTRUSTED, "the provider told of somebody else than the token names")
        return {name: found[name] for name in ("email", "email_verified", "name") if name in found}


def _key(found: Any) -> "Key | None":
    """Return a public key; None if it is not for signatures, or of a kind that is not known here."""
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import import_key  # noqa: PLC0415

    if not isinstance(found, dict) or cast("dict[str, Any]", found).get("use", "sig") != "sig":
        return None
    try:
        key = import_key(cast("Any", found))
    except (JoseError, KeyError, TypeError, ValueError):
        return None
    return None if key.key_type == "oct" else key


def _identity(issuer: str, claims: Mapping[str, Any]) -> Identity:
    email, name = claims.get("email"), claims.get("name") or claims.get("preferred_username")
    return Identity(
        issuer=issuer,
        subject=claims["sub"],
        email=email if isinstance(email, str) and email else None,
        # Some say it as a text.
        is_email_verified=claims.get("email_verified") in (True, "true"),
        name=name if isinstance(name, str) and name else None,
    )


def _way_to_authenticate(metadata: Mapping[str, Any], has_secret: bool) -> str:
    if not has_secret:
        return "none"
    ways = metadata.get("token_endpoint_auth_methods_supported")
    is_posted = isinstance(ways, list) and "client_secret_basic" not in ways and "client_secret_post" in ways
    return "client_secret_post" if is_posted else "client_secret_basic"


def _endpoint(metadata: Mapping[str, Any], name: str) -> str:
    address = metadata.get(name)
    if not isinstance(address, str) or not is_safe_address(address):
        raise LoginError(Problem.MISCONFIGURED, f"the provider says no usable {name!r}: {address!r}")
    return address


async def _get(client: ProviderClient, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    try:
        answer = await client.request("GET", address, withhold_token=True, headers=headers)
        answer.raise_for_status()
        found: object = answer.json()
    except httpx2.HTTPError as error:
        is_missing = isinstance(error, httpx2.HTTPStatusError) and error.response.is_client_error
        problem = Problem.MISCONFIGURED if is_missing else Problem.UNREACHABLE
        raise LoginError(problem, f"{address}: {_told(error)}") from error
    except ValueError as error:
        raise LoginError(Problem.MISCONFIGURED, f"{address} did not answer with JSON") from error
    if not isinstance(found, dict):
        raise LoginError(Problem.MISCONFIGURED, f"{address} did not answer with an object")
    return cast("dict[str, Any]", found)


def _told(error: httpx2.HTTPError) -> str:
    return f"{type(error).__name__}: {error}"
