"""Embeddings of texts: gathered into few requests, cached, and requested like the answers of any other model."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog

from evalhaven.domain.jsontext import JsonObject
from evalhaven.sampling.calls.caller import Asker, CallFailedError, ModelCaller
from evalhaven.sampling.calls.outage import Unreachable
from evalhaven.sampling.catalog import Target
from evalhaven.sampling.embeddings.api import (
    EMBEDDINGS_PATH,
    EmbeddingError,
    read_embeddings,
    request_body,
    vectors_of,
)

if TYPE_CHECKING:
    from evalhaven.sampling.embeddings.api import Vector

__all__ = ["Embedder", "EmbeddingError", "Embeddings", "open_embedder", "try_endpoint"]

INPUTS_A_REQUEST = 64
REQUESTS_AT_ONCE = 8
CACHE_BYTES = 32 * 1024 * 1024
_CHARS_A_REQUEST = 1024 * 1024
_CHARS_A_TOKEN = 4
_GATHER_S = 0.005
_ENTRY_BYTES = 200  # per cache entry, besides the vector
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The embeddings of some texts.

    Attributes:
        vectors: One per text, all of the same length.
        tokens: Tokens of the requests made for them, by the endpoint's count; 0 if they were known.
        cost: Their cost in US dollars; None if the endpoint states no price.
        latency_ms: Milliseconds of the slowest request; 0 if none was made.
    """

    vectors: "list[Vector]"
    tokens: int
    cost: float | None
    latency_ms: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The outcome of one text: its vector or why it has none, and its share of the request."""

    result: "Vector | EmbeddingError"
    tokens: int = 0
    latency_ms: int = 0


class _Wanted:
    """A text that somebody waits for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_known = anyio.Event()
        self.waiting = 0
        self._outcome = _Outcome(EmbeddingError("it is not known yet", retryable=True))
        self._is_charged = False

    def settle(self, outcome: _Outcome) -> None:
        self._outcome = outcome
        self.is_known.set()

    def take_charge(self) -> _Outcome | None:
        """Return what it cost, to the first caller only."""
        is_charged, self._is_charged = self._is_charged, True
        return None if is_charged else self._outcome

    def vector(self) -> "Vector":
        """Return the embedding.

        Raises:
            EmbeddingError: The text has no embedding.
        """
        result = self._outcome.result
        if isinstance(result, EmbeddingError):
            # Several may wait, and each needs a traceback of its own.
            raise EmbeddingError(str(result), retryable=result.retryable, is_fatal=result.is_fatal)
        return result


class Embedder:
    """Returns embeddings; it works while `serve` runs."""

    def __init__(self, caller: ModelCaller, target: Target, cache_bytes: int = CACHE_BYTES) -> None:
        """Ask nothing yet.

        Args:
            caller: Makes the calls.
            target: The embedding model and its endpoint.
            cache_bytes: Most memory for cached embeddings.
        """
        self._caller = caller
        self._target = target
        price = target.endpoint.price_of(target.model)
        self._token_cost = None if price is None else price.input / _MILLION
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[bytes, Vector] = OrderedDict()
        self._cached_bytes = 0
        self._wanted: dict[bytes, _Wanted] = {}  # waiting and under way
        self._queue: OrderedDict[bytes, _Wanted] = OrderedDict()
        self._arrival = anyio.Event()
        self._gathering = anyio.Lock()
        self._asker = Asker(on_retry=self._note_retry)
        self._log = structlog.get_logger("evalhaven.embeddings")

    @property
    def model(self) -> str:
        """Return the name of the model."""
        return self._target.model

    @property
    def unreachable(self) -> Unreachable | None:
        """Return why the endpoint cannot be reached now; None if it can."""
        return self._caller.find_unreachable(self._target)

    @property
    def flow(self) -> JsonObject:
        """Return the state of the calls of all runs together: the endpoint and its limiter."""
        unreachable, state = self.unreachable, self._caller.find_state(self._target)
        return {
            "endpoint": self._target.endpoint.name,
            "unreachable": None if unreachable is None else unreachable.to_json(),
            **({} if state is None else state.to_json()),
        }

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return the embeddings of texts.

        Raises:
            EmbeddingError: One of the texts has no embedding.
        """
        found = [self._want(text) for text in texts]
        wanted = [each for each in found if isinstance(each, _Wanted)]
        try:
            for each in wanted:
                await each.is_known.wait()
        finally:
            for each in wanted:
                each.waiting -= 1
        vectors = [each.vector() if isinstance(each, _Wanted) else each for each in found]
        if len({len(vector) for vector in vectors}) > 1:
            raise EmbeddingError("the embeddings endpoint answered embeddings of different lengths.", retryable=False)
        charged = [charge for each in wanted if (charge := each.take_charge()) is not None]
        tokens = sum(charge.tokens for charge in charged)
        cost = None if self._token_cost is None else tokens * self._token_cost
        return Embeddings(vectors, tokens, cost, max((charge.latency_ms for charge in charged), default=0))

    async def serve(self) -> None:
        """Request the wanted embeddings, until canceled."""
        async with anyio.create_task_group() as tasks:
            for _ in range(REQUESTS_AT_ONCE):
                tasks.start_soon(self._ask_forever)

    def _want(self, text: str) -> "Vector | _Wanted":
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = self._cache.get(digest)
        if known is not None:
            self._cache.move_to_end(digest)
            return known
        wanted = self._wanted.get(digest)
        if wanted is None:
            wanted = self._wanted[digest] = self._queue[digest] = _Wanted(text)
            self._arrival.set()
        wanted.waiting += 1
        return wanted

    async def _ask_forever(self) -> None:
        while True:
            async with self._gathering:
                batch = await self._gather()
            await self._settle(batch)

    async def _gather(self) -> dict[bytes, _Wanted]:
        """Return the next texts to ask for: as many as a request may have, or those that came within an instant."""
        while not self._queue:
            self._arrival = anyio.Event()
            await self._arrival.wait()
        if len(self._queue) < INPUTS_A_REQUEST:
            await anyio.sleep(_GATHER_S)
        batch: dict[bytes, _Wanted] = {}
        chars = 0
        while self._queue and len(batch) < INPUTS_A_REQUEST:
            digest, wanted = next(iter(self._queue.items()))
            if batch and chars + len(wanted.text) > _CHARS_A_REQUEST:
                break
            del self._queue[digest]
            if wanted.waiting == 0:
                # Its run was canceled.
                del self._wanted[digest]
                continue
            batch[digest] = wanted
            chars += len(wanted.text)
        return batch

    async def _settle(self, batch: dict[bytes, _Wanted]) -> None:
        """Give each text of a batch its embedding, or the reason why it has none."""
        texts = [wanted.text for wanted in batch.values()]
        outcomes: Sequence[_Outcome]
        try:
            outcomes = await self._ask(texts) if texts else []
        except Exception as error:  # whatever it is, those who wait must learn about it
            self._log.exception("embeddings_failed_unexpectedly")
            outcomes = [_Outcome(EmbeddingError(f"{type(error).__name__}.", retryable=True))] * len(texts)
        for (digest, wanted), outcome in zip(batch.items(), outcomes, strict=True):
            del self._wanted[digest]
            if not isinstance(outcome.result, EmbeddingError):
                self._remember(digest, outcome.result)
            wanted.settle(outcome)

    async def _ask(self, texts: Sequence[str]) -> Sequence[_Outcome]:
        """Return the outcome of each text; a refused one does not spoil the others."""
        count = len(texts)
        lengths = [len(text) + 1 for text in texts]
        try:
            called = await self._caller.call(
                self._target,
                EMBEDDINGS_PATH,
                request_body(self._target.model, texts),
                partial(read_embeddings, count=count),
                sum(lengths) // _CHARS_A_TOKEN,
                self._asker,
            )
        except CallFailedError as failed:
            error = failed.error
            if count > 1 and not error.retryable:  # The fault is in one of the texts, or in how many they are.
                middle = count // 2
                return [*await self._ask(texts[:middle]), *await self._ask(texts[middle:])]
            message = f"the embeddings endpoint failed ({error.code}): {error.message}"
            failure = EmbeddingError(message, retryable=error.retryable, is_fatal=failed.is_fatal_for_run)
            return [_Outcome(failure)] * count
        results: Sequence[Vector | EmbeddingError]
        try:
            # There are thousands of numbers, and numpy is imported the first time.
            results = await anyio.to_thread.run_sync(vectors_of, called.value.embeddings)
        except EmbeddingError as error:
            results = [error] * count
        shares = _shares(called.value.tokens, lengths)
        return [_Outcome(result, share, called.latency_ms) for result, share in zip(results, shares, strict=True)]

    def _note_retry(self, kind: str) -> None:
        self._log.warning("embeddings_delayed", reason=kind)

    def _remember(self, digest: bytes, vector: "Vector") -> None:
        self._cache[digest] = vector
        self._cached_bytes += vector.nbytes + _ENTRY_BYTES
        while self._cached_bytes > self._cache_bytes:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= oldest.nbytes + _ENTRY_BYTES


def _shares(total: int, weights: Sequence[int]) -> Iterator[int]:
    """Yield integer parts of a number by their weights; they add up to the number."""
    weight, all_weights, given = 0, sum(weights), 0
    for each in weights:
        weight += each
        reached = total * weight // all_weights
        yield reached - given
        given = reached


@asynccontextmanager
async def open_embedder(caller: ModelCaller, target: Target | None) -> AsyncGenerator[Embedder | None]:
    """Open an embedder that serves until the context ends; None without an endpoint."""
    if target is None:
        yield None
        return
    async with serving(caller, target) as embedder:
        yield embedder


@asynccontextmanager
async def serving(caller: ModelCaller, target: Target) -> AsyncGenerator[Embedder]:
    """Open an embedder that serves until the context ends."""
    embedder = Embedder(caller, target)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(embedder.serve)
        yield embedder
        tasks.cancel_scope.cancel()


async def try_endpoint(target: Target) -> int:
    """Ask an endpoint once; return the length of its embeddings.

    Raises:
        EmbeddingError: The endpoint has no embeddings.
    """
    failure: EmbeddingError
    once = replace(target, endpoint=replace(target.endpoint, retry_for_s=0.0))
    async with ModelCaller() as caller, serving(caller, once) as embedder:
        try:
            return len((await embedder.embed(("Evalhaven",))).vectors[0])
        except EmbeddingError as error:
            # Raised inside, it would come out as part of a group.
            failure = error
    raise failure
