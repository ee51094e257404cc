"""The sampler: asks a model for the sample of one item, or to judge that sample."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256

import msgspec

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.run_options import RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import Sample, Usage, namespace_of, unsampled
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.tool_secrets import secrets_of
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.attached_files import AttachedFiles, FileNotLoadedError, FilesOfRequest
from evalhaven.runs.evaluating.byte_allowance import ByteAllowance
from evalhaven.runs.evaluating.guard import CallGuard
from evalhaven.runs.tool_secrets import without_secrets
from evalhaven.sampling.calls.caller import Asker, CallFailedError
from evalhaven.sampling.calls.slots import Slots
from evalhaven.sampling.catalog import Catalog, Endpoint, Price, Target
from evalhaven.sampling.messages.making import ModelRequest, RequestError, RequestMaker
from evalhaven.sampling.protocols.replies import read_reply
from evalhaven.sampling.protocols.requests import compile_sampling
from evalhaven.storage.sample_cache import find_cached

_CHARS_A_TOKEN = 4
_SHOWN_CHANGES = 50
_MILLION = 1_000_000
_LARGE_BYTES = 256 * 1024
_LARGE_BYTES_UNDER_WAY = 64 * 1024 * 1024
_KEY_HEADERS = frozenset({"authorization", "api-key", "x-api-key"})


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked about each item.

    Attributes:
        target: The model.
        maker: Makes the requests.
        secrets: Texts that no error message may repeat.
    """

    target: Target
    maker: RequestMaker
    secrets: list[str] = field(default_factory=list[str])


def sampling_question(run: Run, catalog: Catalog, tools: list[JsonValue] | None = None) -> Question:
    """Return what a run asks its model.

    Args:
        run: A run with a model.
        catalog: Which endpoint serves it.
        tools: The run's tools with their secrets; None if they hold none.

    Raises:
        UnknownModelError: No endpoint serves the model any more.
        UnsupportedRequestError: The endpoint that serves the model cannot do what is asked.
    """
    target = catalog.find(run.model)
    data_source = run.data_source if tools is None else run.data_source.with_tools(tools)
    maker = compile_sampling(data_source.json, target, run.options.extra_body)
    return Question(target, maker, [] if tools is None else secrets_of(tools))


class Sampler:
    """Asks one model about items: for their samples, or to judge these."""

    def __init__(
        self,
        engine: Engine,
        scope: ProjectScope,
        options: RunOptions,
        guard: CallGuard,
        question: Question,
        run_limit: Slots | None = None,
        known_flow: JsonValue = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            engine: What runs are executed with.
            scope: Whose files it may show, and whose answers it may take again.
            options: Whether answers are taken again, and how many calls may be under way.
            guard: Learns how each call ended.
            question: Whom to ask, and what.
            run_limit: How many calls the run may have under way; None leaves that to the endpoints.
            known_flow: How the calls went before the run was taken up again.
        """
        self._engine = engine
        self._scope = scope
        self._options = options
        self._guard = guard
        self._target = question.target
        self._maker = question.maker
        self._files = AttachedFiles(engine, scope)
        self._secrets = question.secrets
        self._large = ByteAllowance(_LARGE_BYTES_UNDER_WAY)
        self._largest_bytes = 0
        self._identity = _identity_of(self._target.endpoint, self._maker.path)
        self._read_reply = partial(read_reply, self._maker.path)
        self._began_at = engine.clock.now()
        self.on_pause: Callable[[], None] | None = None  # called whenever a call pauses before its next attempt
        # A run that is taken up again continues its counts.
        self._retries = Counter(known_retries(known_flow))
        was_answered = isinstance(known_flow, dict) and known_flow.get("answered") is True
        self._asker = Asker(
            run_limit, self._note_retry, was_answered, lambda: guard.is_spent, guard.purses, guard.failures
        )

    @property
    def concurrency(self) -> int:
        """Return how many calls may be under way at once."""
        most = self._target.endpoint.max_concurrency
        return min(most, self._options.max_concurrency or most)

    @property
    def is_unreachable(self) -> bool:
        """Tell whether the model's endpoint cannot be reached now."""
        return self._engine.caller.find_unreachable(self._target) is not None

    @property
    def flow(self) -> JsonObject:
        """Return how the run's calls go: the limiter of its model with its last changes, and retries by kind."""
        caller = self._engine.caller
        state = caller.find_state(self._target)
        unreachable = caller.find_unreachable(self._target)
        changes = [change for change in caller.changes(self._target) if change.at >= self._began_at]
        return {
            "endpoint": self._target.endpoint.name,
            "answered": self._asker.was_answered,
            "unreachable": None if unreachable is None else unreachable.to_json(),
            "retries": dict(self._retries),
            **({} if state is None else state.to_json()),
            "changes": [asdict(change) for change in changes[-_SHOWN_CHANGES:]],
        }

    def learn(self, flow: JsonValue) -> None:
        """Note whether the model has answered the run at any process."""
        if isinstance(flow, dict) and flow.get("answered") is True:
            self._asker.was_answered = True

    async def sample_item(self, namespaces: Mapping[str, JsonValue], repeat: int) -> Sample:
        """Return the sample of an item; if anything fails, the sample has the error.

        Args:
            namespaces: The values of `item` and, for judges, `sample`.
            repeat: 0-based number of the repetition; the cache treats each repetition as a different question.
        """
        # Large requests are held only a few at once, since each is in memory until it is answered.
        if self._largest_bytes < _LARGE_BYTES:
            files = FilesOfRequest(self._files)
            try:
                request = self._make(namespaces, files)
            except RequestError as error:
                return unsampled(error.error, unresolved=error.unresolved)
            except FileNotLoadedError as wanted:
                self._largest_bytes = max(self._largest_bytes, _LARGE_BYTES)
                async with self._large.hold(self._largest_bytes):
                    return await self._sample_with_files(namespaces, repeat, files, wanted)
            return await self._answer(request, repeat)
        async with self._large.hold(self._largest_bytes):
            return await self._sample_with_files(namespaces, repeat, FilesOfRequest(self._files))

    async def _sample_with_files(
        self,
        namespaces: Mapping[str, JsonValue],
        repeat: int,
        files: FilesOfRequest,
        wanted: FileNotLoadedError | None = None,
    ) -> Sample:
        try:
            while True:
                if wanted is not None:
                    await files.load(wanted.file_id)
                try:
                    request = self._make(namespaces, files)
                    break
                except FileNotLoadedError as next_wanted:
                    wanted = next_wanted
        except RequestError as error:
            return unsampled(error.error, unresolved=error.unresolved)
        return await self._answer(request, repeat)

    def _make(self, namespaces: Mapping[str, JsonValue], files: FilesOfRequest) -> ModelRequest:
        request = self._maker.make(namespaces, files)
        self._largest_bytes = max(self._largest_bytes, len(request.body))
        return request

    def _answer(self, request: ModelRequest, repeat: int) -> Awaitable[Sample]:
        return self._find_or_ask(request, repeat) if self._options.cache else self._ask(request, None)

    async def _find_or_ask(self, request: ModelRequest, repeat: int) -> Sample:
        request_hash = self._hash_of(request, repeat)
        found = await self._engine.patience.persist(partial(self._find_cached, request_hash))
        if found is None:
            return await self._ask(request, request_hash)
        return msgspec.structs.replace(
            found,
            input=request.shown,
            cost=0.0,
            attempts=0,
            is_cached=True,
            namespace=namespace_of(found),
            unresolved=request.unresolved,
        )

    async def _find_cached(self, request_hash: bytes) -> Sample | None:
        async with self._engine.database.read() as tx:
            return await find_cached(tx, self._scope, request_hash)

    async def _ask(self, request: ModelRequest, request_hash: bytes | None) -> Sample:
        try:
            called = await self._engine.caller.call(
                self._target,
                self._maker.path,
                request.body,
                self._read_reply,
                len(request.body) // _CHARS_A_TOKEN,
                self._asker,
            )
        except CallFailedError as failed:
            error = without_secrets(failed.error, self._secrets)
            self._guard.note_failure(error, is_fatal=failed.is_fatal_for_run)
            if failed.is_unreachable:
                self._guard.note_unreachable(error)
            return unsampled(error, request.shown, failed.attempts, request.unresolved)
        answer = called.value
        cost = answer.cost  # of an application that says what it spent
        if cost is None:
            cost = _cost_of(answer.usage, self._target.endpoint.price_of(self._target.model))
        self._guard.note_answer(cost, answer.usage.total_tokens)
        return Sample(  # dataclasses.replace would cost twice as much
            input=request.shown,
            output=answer.output,
            finish_reason=answer.finish_reason,
            model=answer.model or self._target.model,
            usage=answer.usage,
            namespace=answer.namespace,
            latency_ms=called.latency_ms,
            attempts=called.attempts,
            cost=cost,
            request_hash=request_hash,
            unresolved=request.unresolved,
            reasoning=answer.reasoning,
            notes=answer.notes,
            extras=answer.extras,
        )

    def _note_retry(self, kind: str) -> None:
        self._retries[kind] += 1
        if self.on_pause is not None:
            self.on_pause()

    def _hash_of(self, request: ModelRequest, repeat: int) -> bytes:
        """Return the hash of all that shapes an answer: endpoint, request, and the number of the repetition."""
        digest = sha256(self._identity)
        digest.update(f"{repeat}\n".encode())
        digest.update(request.body)
        return digest.digest()


def _identity_of(endpoint: Endpoint, path: str) -> bytes:
    """Return what distinguishes an endpoint from others, its key aside, which does not change its answers."""
    headers = sorted((name, value) for name, value in endpoint.headers.items() if name not in _KEY_HEADERS)
    way = f"{endpoint.script!r}" if endpoint.command is None else f"{endpoint.command!r}"
    return f"{endpoint.name}\n{endpoint.url_of(path)}\n{headers!r}\n{way}\n".encode()


def _cost_of(usage: Usage, price: Price | None) -> float | None:
    """Return the cost of a call in US dollars; None if there is no price or the endpoint counted no tokens."""
    if price is None or usage.total_tokens == 0:
        return None
    cached_price = price.input if price.cached_input is None else price.cached_input
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    fresh = usage.prompt_tokens - cached
    dollars = fresh * price.input + cached * cached_price + usage.completion_tokens * price.output
    return dollars / _MILLION


def known_retries(flow: JsonValue) -> dict[str, int]:
    """Return the retries by kind that a stored flow holds."""
    retries = flow.get("retries") if isinstance(flow, dict) else None
    counts = retries.items() if isinstance(retries, dict) else ()
    return {kind: count for kind, count in counts if isinstance(count, int)}
