"""What `evalhaven doctor` checks in the process that has the keys: endpoints of models and embeddings, WordNet."""

import time
from collections.abc import Awaitable, Callable, Sequence

import anyio

from evalhaven.app.endpoints import (
    embeddings_come_from_openai,
    embeddings_target,
    installed_wordnet,
)
from evalhaven.graders.similarity.wordnet import INSTALL_HINT
from evalhaven.runs.resealing import explain_unreadable
from evalhaven.runs.vault import Vault
from evalhaven.sampling.catalog import Catalog
from evalhaven.sampling.embeddings.embedder import EmbeddingError, try_endpoint
from evalhaven.sampling.examination import Finding, examine_endpoints
from evalhaven.settings import PREFIX, Settings
from evalhaven.storage.database import Database, is_unavailable

_EMBEDDINGS_TIMEOUT_S = 10.0
_BETWEEN_TESTS_S = 2.0


class PacedExamination:
    """Examines everything, or one endpoint: each once in a while, however many ask for it."""

    def __init__(
        self,
        examine_all: Callable[[], Awaitable[Sequence[Finding]]],
        catalog: Catalog,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Examine nothing yet.

        Args:
            examine_all: Returns the findings about everything.
            catalog: The endpoints.
            now: Seconds that never go back.
        """
        self._examine_all = examine_all
        self._endpoints = {endpoint.name: endpoint for endpoint in catalog.endpoints}
        self._now = now
        self._locks: dict[str | None, anyio.Lock] = {}
        self._found: dict[str | None, tuple[Sequence[Finding], float]] = {}

    async def examine(self, name: str | None = None) -> Sequence[Finding]:
        """Return what a test finds now, or what one found that ended less than two seconds ago.

        Args:
            name: Of an endpoint that the catalogue has; None for everything.
        """
        # Whoever comes while a test is under way waits for what it finds.
        async with self._locks.setdefault(name, anyio.Lock()):
            found, at = self._found.get(name, ((), float("-inf")))
            if self._now() - at < _BETWEEN_TESTS_S:
                return found
            found = await (self._examine_all() if name is None else examine_endpoints([self._endpoints[name]]))
            self._found[name] = (found, self._now())
            return found


async def examine_server(settings: Settings, catalog: Catalog, database: Database, sealer: Vault) -> list[Finding]:
    """Return the findings about the parts of a server, and about what it has stored."""
    try:
        unreadable = await explain_unreadable(database, sealer)
    except Exception as error:
        if not is_unavailable(error):
            raise
        unreadable = None  # the doctor tells of the database itself
    secrets = [] if unreadable is None else [Finding(unreadable, is_problem=True)]
    return [*await examine_parts(settings, catalog), *secrets]


async def examine_parts(settings: Settings, catalog: Catalog) -> list[Finding]:
    """Return the findings about the parts that this process would use with its settings and environment."""
    where = catalog.source or (
        f"none is configured, so only the scripted model can be called. {PREFIX}UPSTREAM_BASE_URL, "
        f"OPENAI_API_KEY or evalhaven.toml names one"
    )
    return [
        Finding(f"Endpoints: {where}."),
        *map(Finding, catalog.notes),
        *await examine_endpoints(catalog.endpoints),
        _wordnet_finding(),
        await _embeddings_finding(settings, catalog),
    ]


def _wordnet_finding() -> Finding:
    place = installed_wordnet()
    if place is None:
        return Finding(f"WordNet: not found, so the metric meteor counts no synonyms. To change that, {INSTALL_HINT}.")
    return Finding(f"WordNet: {place}, for the synonyms of the metric meteor.")


async def _embeddings_finding(settings: Settings, catalog: Catalog) -> Finding:
    if embeddings_come_from_openai(settings):
        # The endpoint's own line says whether it is up; each request for embeddings costs money.
        return Finding(f"Embeddings: {settings.embeddings_model} at OpenAI, because OPENAI_API_KEY is set.")
    target = embeddings_target(settings, catalog)
    if target is None:
        cure = f"{PREFIX}EMBEDDINGS_BASE_URL names one"
        return Finding(f"Embeddings: no endpoint, so runs with the metric cosine end as failed; {cure}.")
    try:
        with anyio.fail_after(_EMBEDDINGS_TIMEOUT_S):
            length = await try_endpoint(target)
    except (EmbeddingError, TimeoutError) as error:
        reason = str(error).rstrip(".") or f"no answer within {_EMBEDDINGS_TIMEOUT_S:g} s"
        text = f"Embeddings: {target.endpoint.base_url} does not work for {target.model!r}: {reason}."
        return Finding(text, is_problem=True)
    return Finding(f"Embeddings: {target.model} at {target.endpoint.base_url} answers vectors of {length} numbers.")
