"""Which endpoints of models and embeddings the settings and the configuration file name."""

import os
from pathlib import Path

import structlog
from pydantic import SecretStr

from evalhaven.app.stores import StartError
from evalhaven.graders.similarity.wordnet import find_wordnet
from evalhaven.sampling.catalog import Catalog, CatalogError
from evalhaven.sampling.configuration.loading import (
    OPENAI_BASE_URL,
    OPENAI_KEY_VARIABLE,
    Upstream,
    find_config,
    find_openai_key,
    load_catalog,
)
from evalhaven.sampling.embeddings.embedder import EmbeddingsEndpoint
from evalhaven.settings import Settings


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


def embeddings_endpoint(settings: Settings) -> EmbeddingsEndpoint | None:
    """Return the embeddings endpoint: the configured one, else OpenAI's if its key configures the models."""
    if settings.embeddings_base_url is not None:
        return EmbeddingsEndpoint(
            settings.embeddings_base_url, settings.embeddings_model, _revealed(settings.embeddings_api_key)
        )
    if embeddings_come_from_openai(settings):
        return EmbeddingsEndpoint(OPENAI_BASE_URL, settings.embeddings_model, find_openai_key(os.environ))
    return None


def embeddings_come_from_openai(settings: Settings) -> bool:
    """Tell whether embeddings come from OpenAI only because OPENAI_API_KEY is set."""
    is_configured = settings.embeddings_base_url or settings.upstream_base_url or find_config(settings.config)
    return not is_configured and bool(os.environ.get(OPENAI_KEY_VARIABLE, "").strip())


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def installed_wordnet() -> Path | None:
    """Return where WordNet is installed, if it is."""
    return find_wordnet(os.environ.get("NLTK_DATA"))
