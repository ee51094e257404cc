"""Which endpoints there are: from `evalhaven.toml`, else from the environment, and always the scripted one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalhaven.sampling.catalog import (
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_START_CONCURRENCY,
    DEFAULT_STRANGE_FOR_S,
    Catalog,
    CatalogError,
    Endpoint,
)
from evalhaven.sampling.configuration.file import own_headers, read_endpoints
from evalhaven.sampling.configuration.keys import InvalidValueError, checked_key
from evalhaven.sampling.scripted.endpoint import Script
from evalhaven.sampling.transport.interface import TransportOptions

DEFAULT_CONFIG = Path("evalhaven.toml")
OPENAI_BASE_URL = "https://api.openai.com/v1"
OPENAI_KEY_VARIABLE = "OPENAI_API_KEY"

_UPSTREAM = "EVALHAVEN_UPSTREAM_BASE_URL"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The one endpoint that the settings name, for those who need no file.

    Attributes:
        base_url: Its address; None where the settings name none.
        api_key: The key sent to it.
        max_concurrency: Most requests under way at once.
    """

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    max_concurrency: int | None = None


def load_catalog(config: Path | None, upstream: Upstream, environment: Mapping[str, str]) -> Catalog:
    """Return the catalogue.

    Args:
        config: The configuration file; None looks for evalhaven.toml in the working directory.
        upstream: What the settings name.
        environment: The variables of the environment.

    Raises:
        CatalogError: What is configured cannot be used.
    """
    path = find_config(config)
    if path is not None:
        notes: tuple[str, ...] = ()
        if upstream != Upstream():
            notes = (f"The settings EVALHAVEN_UPSTREAM_* have no effect, because {path} names the endpoints.",)
        return _with_scripted(read_endpoints(path, environment), str(path), notes)
    if upstream.base_url is not None:
        return _with_scripted([_endpoint("upstream", upstream.base_url, upstream.api_key, upstream)], _UPSTREAM)
    if upstream.api_key is not None:
        raise CatalogError(
            "EVALHAVEN_UPSTREAM_API_KEY is set, but not whom it is for: set EVALHAVEN_UPSTREAM_BASE_URL too, or "
            f"{OPENAI_KEY_VARIABLE} instead of both for OpenAI."
        )
    key = find_openai_key(environment)
    if key is not None:
        return _with_scripted([_endpoint("openai", OPENAI_BASE_URL, key, upstream)], OPENAI_KEY_VARIABLE)
    return _with_scripted([], "")


def find_config(config: Path | None) -> Path | None:
    """Return the configuration file: the one that is named, else evalhaven.toml if there is one."""
    if config is not None:
        return config
    return DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None


def find_openai_key(environment: Mapping[str, str]) -> str | None:
    """Return the key of OpenAI's own clients, which replaces a configuration.

    Raises:
        CatalogError: The variable does not hold a key.
    """
    value = environment.get(OPENAI_KEY_VARIABLE, "")
    if not value.strip():
        return None
    try:
        return checked_key(value, OPENAI_KEY_VARIABLE)
    except InvalidValueError as error:
        raise CatalogError(f"{error}.") from error


def _endpoint(name: str, base_url: str, key: str | None, upstream: Upstream) -> Endpoint:
    most = upstream.max_concurrency or DEFAULT_MAX_CONCURRENCY
    headers = own_headers() | ({} if key is None else {"authorization": f"Bearer {key}"})
    return Endpoint(
        name=name,
        base_url=base_url,
        headers=headers,
        max_concurrency=most,
        start_concurrency=min(most, DEFAULT_START_CONCURRENCY),
        strange_for_s=DEFAULT_STRANGE_FOR_S,
        transport=TransportOptions(trust_env=True),
    )


def _with_scripted(endpoints: list[Endpoint], source: str, notes: tuple[str, ...] = ()) -> Catalog:
    name = "scripted"
    if all(endpoint.name != name for endpoint in endpoints):
        endpoints = [*endpoints, Endpoint(name=name, base_url="", models=(name, f"{name}/*"), script=Script())]
    return Catalog(tuple(endpoints), source, notes)
