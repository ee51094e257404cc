"""The catalogue of endpoints: which of them serves a model, and under which name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.sampling.applications.command import Command
from evalhaven.sampling.scripted.endpoint import Script
from evalhaven.sampling.transport.interface import TransportOptions

ChatOrResponses = Literal["chat", "responses"]
Protocol = Literal["chat", "responses", "item"]
Ability = Literal[
    "developer_role",
    "json_mode",
    "max_completion_tokens",
    "seed",
    "strict_schemas",
    "structured_outputs",
]

DEFAULT_MAX_CONCURRENCY = 200
DEFAULT_START_CONCURRENCY = 20
DEFAULT_TIMEOUT_S = 600.0
DEFAULT_RETRY_FOR_S = 600.0
DEFAULT_STRANGE_FOR_S = 60.0
HOP_HEADER = "x-evalhaven-hop"

_AUTHENTICATION = ("authorization", "api-key", "x-api-key")
_WILDCARDS = frozenset("*?[")


class CatalogError(Exception):
    """The endpoints are configured wrongly; the message says where and how to fix it, and shows no key."""


class UnknownModelError(InvalidRequestError):
    """No endpoint serves a model; the message names what they serve."""


@dataclass(frozen=True, slots=True)
class Price:
    """What tokens cost, in US dollars per million.

    Attributes:
        model: Pattern of the names that it applies to.
        input: Of the request.
        cached_input: Of the part of the request that the endpoint had cached; None if it costs the same.
        output: Of the answer, including its reasoning.
    """

    model: str
    input: float
    cached_input: float | None
    output: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where models are asked, and how.

    Attributes:
        name: Its name in the configuration.
        base_url: What stands before `/chat/completions`, without a slash at the end; the whole address of an
            application; "" for a scripted one and for a command.
        headers: Sent unchanged with every request, authentication included; lower-case names.
        protocols: What it understands: `item` alone for an application.
        models: Patterns of the names it serves.
        aliases: Names that users may write, and the name sent instead of each.
        max_concurrency: Most requests under way at once, of one model.
        start_concurrency: Most requests under way at once in the beginning.
        requests_per_minute: Most requests begun within a minute, of one model.
        tokens_per_minute: Most tokens asked for within a minute, of one model.
        timeout_s: Seconds that one attempt may take.
        retry_for_s: Seconds after which a failing call is not tried again.
        strange_for_s: Seconds after which a run ends if the endpoint cannot be reached and has never answered it; None
            for `retry_for_s`, which the user chose.
        transport: How it is reached.
        prices: The first one whose pattern matches applies.
        lacks: What it does not understand.
        query: Follows each address after a question mark, such as "api-version=2024-10-21".
        lists_models: Whether `/models` may be requested to check that the endpoint is there.
        script: What a scripted endpoint answers; None for a real one.
        command: How an application is started; None for an endpoint that is reached otherwise.
    """

    name: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, hash=False)
    protocols: frozenset[Protocol] = frozenset({"chat", "responses"})
    models: tuple[str, ...] = ("*",)
    aliases: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY
    start_concurrency: int = DEFAULT_START_CONCURRENCY
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    retry_for_s: float = DEFAULT_RETRY_FOR_S
    strange_for_s: float | None = None
    transport: TransportOptions = field(default_factory=TransportOptions, repr=False)
    prices: tuple[Price, ...] = ()
    lacks: frozenset[Ability] = frozenset()
    query: str = field(default="", repr=False)
    lists_models: bool = True
    script: Script | None = field(default=None, repr=False, hash=False)
    command: Command | None = None

    @property
    def is_scripted(self) -> bool:
        """Tell whether its answers come from rules instead of a network."""
        return self.script is not None

    @property
    def is_free(self) -> bool:
        """Tell whether it costs nothing whatever it is asked: it answers by no rules that stand in for a real one."""
        return self.script is not None and not self.script.rules

    @property
    def is_application(self) -> bool:
        """Tell whether it is a user's own code, which is sent items and answers samples."""
        return "item" in self.protocols

    @property
    def has_key(self) -> bool:
        """Tell whether anything that authenticates is sent with each call."""
        return any(name in self.headers for name in _AUTHENTICATION)

    def url_of(self, path: str) -> str:
        """Return the address of a path such as `/chat/completions`."""
        return f"{self.base_url}{path}?{self.query}" if self.query else f"{self.base_url}{path}"

    def price_of(self, model: str) -> Price | None:
        """Return what tokens of a model cost, by the name that is sent; None if no price is stated."""
        return next((price for price in self.prices if fnmatchcase(model, price.model)), None)

    def serves(self, model: str) -> bool:
        """Tell whether a name is one of its aliases or matches one of its patterns."""
        return model in self.aliases or any(fnmatchcase(model, pattern) for pattern in self.models)

    def target(self, model: str) -> "Target":
        """Return the endpoint with the name that is sent to it for a model."""
        return Target(self, self.aliases.get(model, model))


@dataclass(frozen=True, slots=True)
class Target:
    """A model at the endpoint that serves it; `model` is the name that is sent."""

    endpoint: Endpoint
    model: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """All endpoints.

    A name is looked for in this order, at each step in the order of the endpoints:

    1. aliases
    2. patterns without a wildcard before their first slash: `gpt-4.1`, `meta-llama/*`
    3. `endpoint/model`, if an endpoint of that name serves the rest
    4. the other patterns

    So a name that a user spelled out wins over a chance match, and `vendor/model` names of a router stay usable.

    Attributes:
        endpoints: In the order of the configuration.
        source: Where they are configured: a file or a variable of the environment; "" if nothing is configured.
        notes: Sentences for whoever starts the server.
    """

    endpoints: tuple[Endpoint, ...]
    source: str = ""
    notes: tuple[str, ...] = ()

    def find(self, model: str, param: str = "model") -> Target:
        """Return who serves a model.

        Args:
            model: The name as a user writes it.
            param: The parameter that holds it, for the error.

        Raises:
            UnknownModelError: No endpoint serves the model.
        """
        endpoint, name = self._find_endpoint(model)
        if endpoint is None:
            raise UnknownModelError(self._refusal(model), param=param, code="model_not_found")
        return endpoint.target(name)

    def names(self) -> Iterator[tuple[str, Endpoint]]:
        """Yield each name that is spelled out, aliases first, with the endpoint that serves it."""
        aliases = [(name, endpoint) for endpoint in self.endpoints for name in endpoint.aliases]
        models = [(name, endpoint) for endpoint in self.endpoints for name in endpoint.models if is_exact(name)]
        told = set[str]()
        for name, endpoint in (*aliases, *models):
            if name not in told:
                told.add(name)
                yield name, endpoint

    def patterns(self) -> Iterator[tuple[str, Endpoint]]:
        """Yield each pattern with a wildcard, and the endpoint that it belongs to."""
        for endpoint in self.endpoints:
            for pattern in endpoint.models:
                if not is_exact(pattern):
                    yield pattern, endpoint

    def _find_endpoint(self, model: str) -> tuple[Endpoint | None, str]:
        if not model:
            return None, model
        for endpoint in self.endpoints:
            if model in endpoint.aliases:
                return endpoint, model
        written, others = _split(self.endpoints)
        for pattern, endpoint in written:
            if fnmatchcase(model, pattern):
                return endpoint, model
        name, _, rest = model.partition("/")
        for endpoint in self.endpoints:
            if endpoint.name == name and rest and endpoint.serves(rest):
                return endpoint, rest
        return next((endpoint for pattern, endpoint in others if fnmatchcase(model, pattern)), None), model

    def _refusal(self, model: str) -> str:
        served = "; ".join(
            f"{endpoint.name} serves {', '.join([*endpoint.aliases, *endpoint.models])}" for endpoint in self.endpoints
        )
        cure = (
            f"Add the name to `models` of an endpoint in {self.source}."
            if self.source
            else "Set EVALHAVEN_UPSTREAM_BASE_URL (and EVALHAVEN_UPSTREAM_API_KEY), or OPENAI_API_KEY, where the "
            "server starts, or describe endpoints in evalhaven.toml."
        )
        return f"No endpoint serves the model {model!r}: {served}. {cure}"


def is_exact(pattern: str) -> bool:
    """Tell whether a pattern is a name: it holds no wildcard."""
    return _WILDCARDS.isdisjoint(pattern)


def _split(endpoints: tuple[Endpoint, ...]) -> tuple[list[tuple[str, Endpoint]], list[tuple[str, Endpoint]]]:
    """Return the patterns that are written out up to their first slash, and the others."""
    written: list[tuple[str, Endpoint]] = []
    others: list[tuple[str, Endpoint]] = []
    for endpoint in endpoints:
        for pattern in endpoint.models:
            (written if is_exact(pattern.partition("/")[0]) else others).append((pattern, endpoint))
    return written, others
