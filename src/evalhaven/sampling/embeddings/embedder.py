"""Embeddings of texts: gathered into few requests, remembered, asked for again when an endpoint is busy."""

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import structlog

from evalhaven.sampling.calls.backoff import Backoff, find_asked_s
from evalhaven.sampling.catalog import HOP_HEADER
from evalhaven.sampling.embeddings.api import EmbeddingError, refusal_text, request_body, vectors_of
from evalhaven.sampling.secrets import secrets_of_key
from evalhaven.sampling.transport.client import HttpReply

if TYPE_CHECKING:
    from evalhaven.sampling.embeddings.api import Vector

__all__ = ["Embedder", "EmbeddingError", "EmbeddingsEndpoint", "open_embedder", "try_endpoint"]

INPUTS_A_REQUEST = 64
REQUESTS_AT_ONCE = 8
CACHE_BYTES = 32 * 1024 * 1024
_CHARS_A_REQUEST = 1024 * 1024
_GATHER_S = 0.005
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_REFUSED = frozenset({400, 413, 422})  # the fault is in the texts
_BUSY = frozenset({408, 409, 425, 429})
_ENTRY_BYTES = 200  # of the cache, beside the vector
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SERVER_FAULT = 500
_OK = 200


@dataclass(frozen=True, slots=True)
class EmbeddingsEndpoint:
    """Where embeddings come from.

    Attributes:
        base_url: Address before `/embeddings`, such as https://api.openai.com/v1.
        model: The model's name.
        key: Sent as a bearer token; None sends none.
    """

    base_url: str
    model: str
    key: str | None = field(default=None, repr=False)


class _Wanted:
    """A text that somebody waits for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_known = anyio.Event()
        self.waiting = 0
        self._result: Vector | EmbeddingError = EmbeddingError("it is not known yet", retryable=True)

    def settle(self, result: "Vector | EmbeddingError") -> None:
        self._result = result
        self.is_known.set()

    def vector(self) -> "Vector":
        """Return the embedding.

        Raises:
            EmbeddingError: There is none.
        """
        if isinstance(self._result, EmbeddingError):
            # Several may wait, and each needs a traceback of its own.
            raise EmbeddingError(str(self._result), retryable=self._result.retryable)
        return self._result


class Embedder:
    """Returns embeddings; it works while `serve` runs."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoint: EmbeddingsEndpoint,
        backoff: Backoff | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Ask nothing yet.

        Args:
            client: What asks.
            endpoint: Whom it asks.
            backoff: How long it waits before it asks again, and how often.
            cache_bytes: Most memory for embeddings that are remembered.
        """
        self._client = client
        self._endpoint = endpoint
        self._secrets = secrets_of_key(endpoint.key)
        self._backoff = backoff or Backoff()
        self._cache_bytes = cache_bytes
        self._cache: OrderedDict[bytes, Vector] = OrderedDict()
        self._cached_bytes = 0
        self._wanted: dict[bytes, _Wanted] = {}  # waiting and under way
        self._queue: OrderedDict[bytes, _Wanted] = OrderedDict()
        self._arrival = anyio.Event()
        self._gathering = anyio.Lock()
        self._paused_until = 0.0
        self._log = structlog.get_logger("evalhaven.embeddings")

    async def embed(self, texts: Sequence[str]) -> "list[Vector]":
        """Return the embeddings of texts, all of one length.

        Raises:
            EmbeddingError: One of them has none.
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
        return vectors

    async def serve(self) -> None:
        """Ask for what is wanted, until canceled."""
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
        results: Sequence[Vector | EmbeddingError]
        try:
            results = await self._ask(texts) if texts else []
        except Exception as error:  # whatever it is, those who wait must learn of it
            self._log.exception("embeddings_failed_unexpectedly")
            results = [EmbeddingError(f"{type(error).__name__}.", retryable=True)] * len(texts)
        for (digest, wanted), result in zip(batch.items(), results, strict=True):
            del self._wanted[digest]
            if not isinstance(result, EmbeddingError):
                self._remember(digest, result)
            wanted.settle(result)

    async def _ask(self, texts: Sequence[str]) -> "Sequence[Vector | EmbeddingError]":
        """Return a result for each text; one that the endpoint refuses does not spoil the others."""
        try:
            answer = await self._post(texts)
        except EmbeddingError as error:
            return [error] * len(texts)
        if answer.status == _OK:
            try:
                # Thousands of numbers, and numpy to import the first time.
                return await anyio.to_thread.run_sync(vectors_of, answer, len(texts), self._secrets)
            except EmbeddingError as error:
                return [error] * len(texts)
        if answer.status in _REFUSED and len(texts) > 1:
            middle = len(texts) // 2
            return [*await self._ask(texts[:middle]), *await self._ask(texts[middle:])]
        said = refusal_text(answer, self._secrets)
        message = f"the embeddings endpoint answered {answer.status}: {said or 'nothing more'}"
        return [EmbeddingError(message, retryable=False)] * len(texts)

    async def _post(self, texts: Sequence[str]) -> HttpReply:
        """Return the answer to a request, repeating it while the endpoint is busy or out of reach.

        Raises:
            EmbeddingError: It was so for too long.
        """
        body = request_body(self._endpoint.model, texts)
        headers = {"content-type": "application/json", HOP_HEADER: "1"}
        if self._endpoint.key is not None:
            headers["authorization"] = f"Bearer {self._endpoint.key}"
        attempt = 0
        while True:
            attempt += 1
            # Others may have been told to wait.
            await anyio.sleep(max(0.0, self._paused_until - time.monotonic()))
            try:
                url = f"{self._endpoint.base_url}/embeddings"
                response = await self._client.post(url, content=body, headers=headers)
                answer = HttpReply(response.status_code, dict(response.headers), response.content)
            except (httpx.TransportError, httpx.DecodingError) as error:
                failure = f"could not be reached: {type(error).__name__}"
                pause_s = self._backoff.pause_s(attempt)
            else:
                if answer.status not in _BUSY and answer.status < _SERVER_FAULT:
                    return answer
                said = refusal_text(answer, self._secrets)
                failure = f"answered {answer.status}: {said or 'nothing more'}"
                pause_s = self._backoff.pause_s(attempt, find_asked_s(answer.headers))
                if pause_s is not None and answer.status in _BUSY:
                    self._paused_until = max(self._paused_until, time.monotonic() + pause_s)
            if pause_s is None:
                message = f"the embeddings endpoint {failure} (asked {attempt} times)"
                raise EmbeddingError(message, retryable=True)
            self._log.warning("embeddings_delayed", reason=failure, attempt=attempt, pause_s=round(pause_s, 3))
            await anyio.sleep(pause_s)

    def _remember(self, digest: bytes, vector: "Vector") -> None:
        self._cache[digest] = vector
        self._cached_bytes += vector.nbytes + _ENTRY_BYTES
        while self._cached_bytes > self._cache_bytes:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= oldest.nbytes + _ENTRY_BYTES


@asynccontextmanager
async def open_embedder(endpoint: EmbeddingsEndpoint | None) -> AsyncGenerator[Embedder | None]:
    """Open an embedder that serves until the context ends; without an endpoint there is none."""
    if endpoint is None:
        yield None
        return
    async with serving(endpoint) as embedder:
        yield embedder


@asynccontextmanager
async def serving(endpoint: EmbeddingsEndpoint, backoff: Backoff | None = None) -> AsyncGenerator[Embedder]:
    """Open an embedder that serves until the context ends."""
    limits = httpx.Limits(max_connections=REQUESTS_AT_ONCE)
    async with httpx.AsyncClient(timeout=_TIMEOUT, limits=limits, trust_env=not _is_local(endpoint)) as client:
        embedder = Embedder(client, endpoint, backoff)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(embedder.serve)
            yield embedder
            tasks.cancel_scope.cancel()


async def try_endpoint(endpoint: EmbeddingsEndpoint) -> int:
    """Ask an endpoint once; return the length of its embeddings.

    Raises:
        EmbeddingError: It has none.
    """
    failure: EmbeddingError
    async with serving(endpoint, Backoff(attempts=1)) as embedder:
        try:
            return len((await embedder.embed(("Evalhaven",)))[0])
        except EmbeddingError as error:
            # Raised in here it would come out as part of a group.
            failure = error
    raise failure


def _is_local(endpoint: EmbeddingsEndpoint) -> bool:
    # The environment's proxies cannot reach this machine's loopback address.
    return urlsplit(endpoint.base_url).hostname in _LOOPBACK
