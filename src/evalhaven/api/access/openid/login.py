"""A login with OpenID Connect: on the way to the provider and back, and who that is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest

from evalhaven.access.permissions import Role
from evalhaven.access.sessions import checked_way_back
from evalhaven.api.access.attempts import Attempts
from evalhaven.api.access.openid.errors import LoginError, Problem
from evalhaven.api.access.openid.provider import Identity, Provider
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.jsontext import JsonObject
from evalhaven.runs.vault import Vault, VaultError

PATIENCE_S = 600
"""How long a browser may be away."""

_PURPOSE = "login"
_PROVIDER_SAYS_NO = ("access_denied", "consent_required", "interaction_required", "login_required")


@dataclass(frozen=True, slots=True)
class OpenIdConfig:
    """Who may come in with OpenID Connect.

    Attributes:
        name: What the button calls the provider.
        default_role: What somebody becomes in the default project at their first login; None: nothing.
        admins: Who administers the organization, as `administers` takes them.
    """

    name: str
    default_role: Role | None
    admins: frozenset[str]


@dataclass(frozen=True, slots=True)
class Begun:
    """A login on its way.

    Attributes:
        address: Where the browser goes.
        cookie: What it brings back, sealed.
    """

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who has come back from the provider.

    Attributes:
        identity: Who that is.
        way_back: What they wanted to see, below `/ui`.
    """

    identity: Identity
    way_back: str


class OpenIdLogin:
    """Sends browsers to the provider and takes them back."""

    def __init__(self, config: OpenIdConfig, provider: Provider, vault: Vault, ids: IdFactory, clock: Clock) -> None:
        """Ask nothing yet.

        Args:
            config: Who may come in.
            provider: Who vouches for people.
            vault: Seals what a browser carries.
            ids: Makes what nobody can guess.
            clock: The time.
        """
        self.config = config
        self.provider = provider
        # None is refused because others have failed: any page can have somebody's browser fail.
        self.attempts = Attempts()
        self._vault = vault
        self._ids = ids
        self._clock = clock

    async def begin(self, wanted: str | None) -> Begun:
        """Return where a browser logs in.

        Args:
            wanted: The address below `/ui` that it shall see afterwards.

        Raises:
            LoginError: The provider cannot be asked.
        """
        state, nonce, verifier = (self._ids.new_secret("") for _ in range(3))
        address = await self.provider.login_address(state, nonce, verifier)
        carried: JsonObject = {
            "for": _PURPOSE,
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "to": checked_way_back(wanted),
            "until": int(self._clock.now()) + PATIENCE_S,
        }
        return Begun(address, self._vault.seal(carried).decode())

    def way_back(self, cookie: str | None) -> str:
        """Return what a browser wanted to see, for a page that says why it does not."""
        try:
            return checked_way_back(str(self._open(cookie)["to"]))
        except LoginError:
            return "/"

    def has_ended(self, query: Mapping[str, str], cookie: str | None) -> bool:
        """Tell whether a browser need not carry its login any longer, now that it comes back with this.

        With the end of another login, which another tab had begun before, it goes on.
        """
        try:
            return self._is_of(query, self._open(cookie))
        except LoginError:
            return True

    async def finish(self, query: Mapping[str, str], cookie: str | None) -> Arrival:
        """Return who has come back.

        Args:
            query: What the provider put in the address.
            cookie: What the browser has carried.

        Raises:
            LoginError: It was not sent there by this server in the last minutes, or the provider does not vouch for it.
        """
        carried = self._open(cookie)
        if not self._is_of(query, carried):
            raise LoginError(Problem.STALE, "the state that came back is not that of this browser's login")
        if error := query.get("error"):
            problem = Problem.DENIED if error in _PROVIDER_SAYS_NO else Problem.REFUSED
            raise LoginError(problem, f"the provider answered {error[:100]!r}")
        if "code" not in query:
            raise LoginError(Problem.REFUSED, "the provider sent no code")
        identity = await self.provider.exchange(query["code"], carried["nonce"], carried["verifier"])
        return Arrival(identity, checked_way_back(carried["to"]))

    def _is_of(self, query: Mapping[str, str], carried: Mapping[str, str]) -> bool:
        return compare_digest(query.get("state", "").encode(), carried["state"].encode())

    def _open(self, cookie: str | None) -> dict[str, str]:
        if cookie is None:
            raise LoginError(Problem.STALE, "the browser carries no login")
        try:
            carried = self._vault.open(cookie.encode())
        except (VaultError, ValueError) as error:
            raise LoginError(Problem.STALE, "what the browser carries is no login of this server") from error
        if not isinstance(carried, dict) or carried.get("for") != _PURPOSE:
            raise LoginError(Problem.STALE, "what the browser carries is no login")
        until = carried.get("until")
        if not isinstance(until, int) or self._clock.now() >= until:
            raise LoginError(Problem.STALE, "the login took too long")
        return {name: str(value) for name, value in carried.items()}
