"""Which endpoints of models and embeddings the settings and the configuration file name."""

import os
from dataclasses import replace
from pathlib import Path

import structlog
from pydantic import SecretStr

from evalhaven.app.stores import StartError
from evalhaven.graders.similarity.wordnet import find_wordnet
from evalhaven.sampling.catalog import Catalog, CatalogError, Endpoint, Target, is_exact
from evalhaven.sampling.configuration.file import own_headers
from evalhaven.sampling.configuration.loading import (
    OPENAI_BASE_URL,
    OPENAI_KEY_VARIABLE,
    Upstream,
    find_config,
    load_catalog,
)
from evalhaven.sampling.embeddings.embedder import REQUESTS_AT_ONCE
from evalhaven.sampling.transport.interface import TransportOptions
from evalhaven.settings import Settings

_UNNAMED = "the embeddings endpoint"  # which no endpoint of a configuration file can be called
_EMBEDDINGS_TIMEOUT_S = 60.0


def open_catalog(settings: Settings) -> Catalog:
    """Return the endpoints at which models are asked.

    Raises:
        StartError: The configuration of the endpoints is wrong.
    """
    try:
        return load_catalog(settings.config, upstream_of(settings), os.environ)
    except CatalogError as error:
        raise StartError(str(error)) from error


def upstream_of(settings: Settings) -> Upstream:
    """Return the one endpoint that the settings name."""
    return Upstream(settings.upstream_base_url, _revealed(settings.upstream_api_key), settings.upstream_max_concurrency)


def log_catalog(catalog: Catalog) -> None:
    """Log which endpoints there are, and what the operator should know about them."""
    log = structlog.get_logger("evalhaven")
    names = ", ".join(endpoint.name for endpoint in catalog.endpoints)
    log.info("endpoints", configured_by=catalog.source or "nothing", names=names)
    for note in catalog.notes:
        log.warning("endpoints_note", note=note)


def embeddings_target(settings: Settings, catalog: Catalog) -> Target | None:
    """Return the embeddings model at its endpoint; None if none is configured.

    The endpoint is the one at the address in the settings, else OpenAI's if its key configures the models, else the
    one that serves this model according to the catalogue. If the catalogue has an endpoint at the same address, its
    certificates, proxy, prices, limits and key are used.
    """
    model, key = settings.embeddings_model, _revealed(settings.embeddings_api_key)
    url = settings.embeddings_base_url
    if url is None and embeddings_come_from_openai(settings):
        url = OPENAI_BASE_URL
    if url is None:
        return next((endpoint.target(model) for endpoint in catalog.endpoints if _names(endpoint, model)), None)
    known = next((endpoint for endpoint in catalog.endpoints if endpoint.base_url == url), None)
    endpoint = known or Endpoint(
        _UNNAMED,
        url,
        own_headers(),
        start_concurrency=REQUESTS_AT_ONCE,
        timeout_s=_EMBEDDINGS_TIMEOUT_S,
        transport=TransportOptions(trust_env=True),
    )
    if key is not None:
        endpoint = replace(
            endpoint,
            # Another key has limits of its own.
            name=endpoint.name if known is None else f"{endpoint.name} (embeddings)",
            headers={**endpoint.headers, "authorization": f"Bearer {key}"},
        )
    return endpoint.target(model)


def _names(endpoint: Endpoint, model: str) -> bool:
    """Tell whether an endpoint serves a model by name: a pattern says nothing about embeddings."""
    return not (endpoint.is_scripted or endpoint.is_application) and (
        model in endpoint.aliases or any(is_exact(name) and name == model for name in endpoint.models)
    )


def embeddings_come_from_openai(settings: Settings) -> bool:
    """Tell whether embeddings come from OpenAI only because OPENAI_API_KEY is set."""
    is_configured = settings.embeddings_base_url or settings.upstream_base_url or find_config(settings.config)
    return not is_configured and bool(os.environ.get(OPENAI_KEY_VARIABLE, "").strip())


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def installed_wordnet() -> Path | None:
    """Return where WordNet is installed, if it is."""
    return find_wordnet(os.environ.get("NLTK_DATA"))
