"""Settings as they may be shown, and how a command takes over those of a running server."""

import os
from pathlib import Path
from typing import cast, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError

from evalhaven import __version__
from evalhaven.sampling.configuration.loading import OPENAI_KEY_VARIABLE, find_config
from evalhaven.settings import PREFIX, Settings, unknown_variables
from evalhaven.wire.server import MASK, ServerSettings, SettingOrigin, ShownSetting

_SECRETS = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if SecretStr in (field.annotation, *get_args(field.annotation))
)
_SEPARATORS = {
    "allowed_origins": ",",
    "trusted_proxies": ",",
    "oidc_admins": ",",
    "log_redact": "\n",
    "webhook_allow_private": ",",
}
OTHER_VARIABLES = {OPENAI_KEY_VARIABLE: True, "NLTK_DATA": False}
"""The variables beyond the settings that decide what a server does, and whether they are secret."""


def shown_settings(settings: Settings) -> ServerSettings:
    """Return the settings in effect in this process: secrets masked, paths absolute."""
    named = _environment_settings()
    return ServerSettings(
        version=__version__,
        process=os.getpid(),
        settings=[_shown(settings, name, named) for name in Settings.model_fields],
        environment=[
            ShownSetting(name=name, value=MASK if is_secret else os.environ[name], origin="environment")
            for name, is_secret in OTHER_VARIABLES.items()
            if os.environ.get(name)
        ],
        unknown_variables=unknown_variables(),
    )


def taken_over(shown: ServerSettings, own: Settings) -> Settings:
    """Return the settings of a server as far as it shows them, with this process's own secrets.

    Raises:
        ValueError: The server's release has other settings.
    """
    told = {each.name.removeprefix(PREFIX).lower(): each.value for each in shown.settings}
    values = {name: value for name, value in told.items() if name in Settings.model_fields and name not in _SECRETS}
    secrets = {name: getattr(own, name) for name in _SECRETS}
    return Settings(**values, **secrets)  # pyright: ignore[reportArgumentType]


def _environment_settings() -> Settings | None:
    """Return the settings of the environment alone; None if one of them is wrong, so that none takes effect."""
    try:
        return Settings()  # pyright: ignore[reportCallIssue] - the defaults are wanted
    except ValidationError:
        return None


def _shown(settings: Settings, name: str, named: Settings | None) -> ShownSetting:
    variable = PREFIX + name.upper()
    origin: SettingOrigin = "default"
    if name in settings.model_fields_set:
        is_named = named is not None and name in named.model_fields_set
        is_same = is_named and getattr(named, name) == getattr(settings, name)
        origin = "environment" if is_same else "command line"
    return ShownSetting(name=variable, value=_value(settings, name), origin=origin)


def _value(settings: Settings, name: str) -> str | int | float | bool | None:
    value = getattr(settings, name)
    if name == "config":
        value = find_config(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if name in _SECRETS:
        return MASK
    if isinstance(value, tuple):
        return _SEPARATORS[name].join(cast("tuple[str, ...]", value))
    return str(value.absolute()) if isinstance(value, Path) else _without_password(str(value))


def _without_password(text: str) -> str:
    """Return an address without its credentials; any other text unchanged."""
    if "@" not in text or "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return MASK
    return parts._replace(netloc=f"{MASK}@{parts.netloc.rpartition('@')[2]}").geturl()
