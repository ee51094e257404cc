"""How people log in to the dashboard, by the settings."""

from evalhaven.access.permissions import Role
from evalhaven.access.sessions import CookieNames
from evalhaven.api.access.attempts import Attempts
from evalhaven.api.access.door import LoginPolicy
from evalhaven.api.access.logins import Logins
from evalhaven.app.stores import StartError, vault
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.settings import Settings


def login_policy(settings: Settings, own_origins: frozenset[str], cookies: CookieNames) -> LoginPolicy:
    """Return who may log in, and from which pages."""
    return LoginPolicy(own_origins, settings.oidc_issuer is not None, frozenset(settings.oidc_admins), cookies)


def open_logins(settings: Settings, ids: IdFactory, clock: Clock, cookies: CookieNames) -> Logins:
    """Return how somebody can log in.

    Raises:
        StartError: The settings of OpenID Connect are not complete.
    """
    is_secure = settings.base_url.startswith("https://")
    if settings.oidc_issuer is None:
        return Logins(Attempts(), None, is_secure, cookies)
    if settings.oidc_client_id is None:
        raise StartError(
            "EVALHAVEN_OIDC_ISSUER needs EVALHAVEN_OIDC_CLIENT_ID: what the provider calls this server. It shows that, "
            "and the secret, where this server is registered with it."
        )
    # Most servers do without.
    from evalhaven.api.access.openid.login import OpenIdConfig, OpenIdLogin  # noqa: PLC0415
    from evalhaven.api.access.openid.provider import Provider, ProviderConfig  # noqa: PLC0415

    secret, role = settings.oidc_client_secret, settings.oidc_default_role
    provider = ProviderConfig(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=None if secret is None else secret.get_secret_value(),
        redirect_uri=f"{settings.base_url}/api/login/oidc/callback",
        logged_out_uri=f"{settings.base_url}/ui/login",
    )
    config = OpenIdConfig(settings.oidc_name, None if role == "none" else Role(role), frozenset(settings.oidc_admins))
    return Logins(Attempts(), OpenIdLogin(config, Provider(provider), vault(settings), ids, clock), is_secure, cookies)
