"""Facts about the embedder: few requests, no text twice, and an error only for the text that has one."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

from evalhaven.graders.similarity.cosine import cosine
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.catalog import Endpoint, Price, Target
from evalhaven.sampling.embeddings.embedder import Embedder, EmbeddingError, serving, try_endpoint
from evalhaven.sampling.transport.client import TransportOptions
from tests.embeddings_endpoint import EmbeddingsEndpoint, Fault, cosine_of, vector_of

KEY = "sk-made-up-and-secret"


@pytest.fixture
def endpoint() -> Iterator[EmbeddingsEndpoint]:
    with EmbeddingsEndpoint() as opened:
        yield opened


def place(endpoint: EmbeddingsEndpoint, **settings: Any) -> Target:
    return Endpoint("made-up", endpoint.url, {"authorization": f"Bearer {KEY}"}, **settings).target("made-up")


@pytest.fixture
async def caller() -> AsyncIterator[ModelCaller]:
    async with ModelCaller() as opened:
        yield opened


@pytest.fixture
async def embedder(endpoint: EmbeddingsEndpoint, caller: ModelCaller) -> AsyncIterator[Embedder]:
    async with serving(caller, place(endpoint, retry_for_s=2.5)) as opened:
        yield opened


async def embed_all(embedder: Embedder, texts: list[str]) -> list[Any]:
    """Ask for all texts at once, each in a call of its own; return vectors, or errors instead of them."""
    results: list[Any] = [None] * len(texts)

    async def embed(number: int) -> None:
        try:
            [results[number]] = (await embedder.embed((texts[number],))).vectors
        except EmbeddingError as error:
            results[number] = error

    async with anyio.create_task_group() as tasks:
        for number in range(len(texts)):
            tasks.start_soon(embed, number)
    return results


def texts_of(count: int) -> list[str]:
    return [f"text {number}" for number in range(count)]


def assert_vectors(results: list[Any], texts: list[str]) -> None:
    assert [list(result) for result in results] == [
        pytest.approx(np.array(vector_of(text), dtype="f4").tolist()) for text in texts
    ]


async def test_texts_wanted_at_once_are_asked_for_in_few_requests(
    endpoint: EmbeddingsEndpoint, embedder: Embedder
) -> None:
    texts = texts_of(200)
    assert_vectors(await embed_all(embedder, texts), texts)

    assert sorted(text for each in endpoint.inputs for text in each) == sorted(texts)
    assert max(len(each) for each in endpoint.inputs) == 64
    assert len(endpoint.inputs) <= 5
    for request in endpoint.requests:
        assert request.path == "/v1/embeddings"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["x-evalhaven-hop"] == "1"
        assert request.body.keys() == {"model", "input", "encoding_format"}
        assert (request.body["model"], request.body["encoding_format"]) == ("made-up", "base64")


async def test_a_text_is_asked_for_once(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    await embed_all(embedder, ["a", "b", "a", "a"])
    await embed_all(embedder, ["b", "c", "a"])

    assert sorted(endpoint.inputs) == [["a", "b"], ["c"]]


async def test_what_is_remembered_is_bounded_in_bytes(endpoint: EmbeddingsEndpoint, caller: ModelCaller) -> None:
    async with serving(caller, place(endpoint)) as embedder:
        embedder._cache_bytes = 3 * (8 * 4 + 200)
        for text in ("a", "b", "c", "a", "d", "a", "b"):
            await embedder.embed((text,))

        assert embedder._cached_bytes <= embedder._cache_bytes
    assert endpoint.inputs == [["a"], ["b"], ["c"], ["d"], ["b"]]


async def test_a_server_that_knows_no_base64_may_send_numbers(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    endpoint.is_base64 = False
    texts = texts_of(3)

    assert_vectors(await embed_all(embedder, texts), texts)


async def test_requests_at_once_are_limited(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    endpoint.gate.clear()
    texts = texts_of(64 * 12)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(embed_all, embedder, texts)
        with anyio.fail_after(10):
            while len(endpoint.requests) < 8:  # noqa: ASYNC110 - threads of the endpoint write it
                await anyio.sleep(0.01)
        await anyio.sleep(0.1)
        endpoint.gate.set()

    assert endpoint.most_at_once == 8
    assert len(endpoint.requests) == 12


@pytest.mark.parametrize(
    "fault",
    [Fault(429), Fault(500), Fault(503, b"<html>busy</html>"), Fault(is_cut=True, body={"data": [1, 2, 3]})],
    ids=["429", "500", "503", "cut"],
)
async def test_what_may_pass_is_asked_again(endpoint: EmbeddingsEndpoint, embedder: Embedder, fault: Fault) -> None:
    endpoint.faults.extend([fault, fault])
    with capture_logs() as logs:
        assert_vectors(await embed_all(embedder, ["a"]), ["a"])

    assert endpoint.inputs == [["a"]] * 3
    assert [entry["event"] for entry in logs] == ["embeddings_delayed"] * 2
    assert KEY not in str(logs)


async def test_a_pause_that_the_endpoint_asks_for_is_kept_by_all_requests(
    endpoint: EmbeddingsEndpoint, embedder: Embedder
) -> None:
    endpoint.faults.append(Fault(429, headers={"Retry-After": "1"}))
    started = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(embed_all, embedder, ["a"])
        await anyio.sleep(0.3)
        tasks.start_soon(embed_all, embedder, ["b"])
        await anyio.sleep(0.3)
        assert endpoint.inputs == [["a"]]

    assert time.monotonic() - started >= 1
    assert sorted(endpoint.inputs[1:]) == [["a"], ["b"]]


async def test_an_endpoint_that_stays_away_is_given_up(endpoint: EmbeddingsEndpoint, caller: ModelCaller) -> None:
    endpoint.faults.extend([Fault(500)] * 2)
    async with serving(caller, place(endpoint, retry_for_s=0.8)) as embedder:
        [error] = await embed_all(embedder, ["a"])

        assert isinstance(error, EmbeddingError)
        assert error.retryable
        assert str(error) == "the embeddings endpoint failed (server_error): told to fail"
        assert len(endpoint.requests) == 2
        assert_vectors(await embed_all(embedder, ["a"]), ["a"])


async def test_an_endpoint_out_of_reach_is_named_so(caller: ModelCaller) -> None:
    target = Endpoint("gone", "http://127.0.0.1:9/v1", retry_for_s=0.0).target("made-up")
    async with serving(caller, target) as embedder:
        [error] = await embed_all(embedder, ["a"])

    assert str(error).startswith("the embeddings endpoint failed (upstream_unreachable): gone: no connection to")
    assert error.retryable


async def test_one_text_that_is_refused_spoils_no_other(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    texts = texts_of(64)
    endpoint.refused = {"text 17", "text 63"}
    results = await embed_all(embedder, texts)
    refused = [text for text, result in zip(texts, results, strict=True) if isinstance(result, EmbeddingError)]

    assert refused == ["text 17", "text 63"]
    assert str(results[17]) == "the embeddings endpoint failed (invalid_request_error): refused, with key Bearer ***"
    assert not results[17].retryable


async def test_a_redirect_says_where_to(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    endpoint.faults.append(Fault(302, {}, headers={"Location": "https://login.example/"}))
    [result] = await embed_all(embedder, ["a"])

    assert str(result) == (
        "the embeddings endpoint failed (unexpected_redirect): made-up answered 302 and points to "
        "https://login.example/; configure that address"
    )


@pytest.mark.parametrize("status", [301, 401, 403, 404])
async def test_what_will_not_pass_is_not_asked_again(
    endpoint: EmbeddingsEndpoint, embedder: Embedder, status: int
) -> None:
    endpoint.faults.append(Fault(status, headers={"Location": f"{endpoint.url}/embeddings"}))
    results = await embed_all(embedder, ["a", "b"])

    assert len({str(error) for error in results}) == 1
    assert [(error.is_fatal, error.retryable) for error in results] == [(True, True)] * 2, "once it is mended"
    assert len(endpoint.requests) == 1


UNUSABLE = {
    "no JSON": (b"<html>", "200 (application/json) with an HTML page"),
    "no data": ({"object": "list"}, "cannot be read"),
    "an embedding too few": ({"data": [{"index": 0, "embedding": [1.0]}]}, "was sent 2 texts and answered 1"),
    "an index twice": ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, "numbered them otherwise"),
    "an index beyond": ({"data": [{"index": i, "embedding": [1.0]} for i in (1, 2)]}, "numbered them otherwise"),
    "different lengths": ({"data": [{"index": i, "embedding": [1.0] * (i + 1)} for i in (0, 1)]}, "different lengths"),
    "no vectors": ({"data": [{"index": i, "embedding": None} for i in (0, 1)]}, "cannot be read"),
    "no base64": ({"data": [{"index": i, "embedding": "é!"} for i in (0, 1)]}, "not base64"),
    "half a number": ({"data": [{"index": i, "embedding": "AAA="} for i in (0, 1)]}, "not base64"),
    "nothing": ({"data": [{"index": i, "embedding": []} for i in (0, 1)]}, "without direction"),
    "infinities": ({"data": [{"index": i, "embedding": [1e300]} for i in (0, 1)]}, "infinities"),
    "no numbers": (b'{"data":[{"index":0,"embedding":[NaN]},{"index":1,"embedding":[-Infinity]}]}', "infinities"),
    "a page": (
        f"<html><body>Sign in with {KEY}".encode(),
        "200 (application/json) with an HTML page. It begins: <html><body>Sign in with ***",
    ),
}


@pytest.mark.parametrize(
    "more",
    [b'"took":NaN', b'"usage":{"x":-Infinity}', b'"model":"\xff"', b'"object":5'],
    ids=["NaN", "inf", "bytes", "type"],
)
async def test_what_nobody_reads_of_an_answer_may_be_anything(
    endpoint: EmbeddingsEndpoint, embedder: Embedder, more: bytes
) -> None:
    body = b"{" + more + b',"data":[{"index":0.0,"embedding":[1,2],"object":null}]}'
    endpoint.faults.append(Fault(200, b"\xef\xbb\xbf" + body))
    [vector] = await embed_all(embedder, ["a"])

    assert not isinstance(vector, EmbeddingError)
    assert vector.tolist() == [1, 2]


@pytest.mark.parametrize("name", UNUSABLE)
async def test_an_answer_that_cannot_be_used_is_an_error(
    endpoint: EmbeddingsEndpoint, caller: ModelCaller, name: str
) -> None:
    body, told = UNUSABLE[name]
    endpoint.faults.append(Fault(200, body))
    async with serving(caller, place(endpoint, retry_for_s=0.0)) as embedder:
        results = await embed_all(embedder, ["a", "b"])

    assert [type(result) for result in results] == [EmbeddingError, EmbeddingError]
    assert told in str(results[0])
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("name", ["no JSON", "an embedding too few"])
async def test_an_answer_that_cannot_be_used_is_asked_for_again(
    endpoint: EmbeddingsEndpoint, embedder: Embedder, name: str
) -> None:
    endpoint.faults.append(Fault(200, UNUSABLE[name][0]))
    assert_vectors(await embed_all(embedder, ["a", "b"]), ["a", "b"])
    assert len(endpoint.requests) == 2


async def test_tokens_of_a_request_are_shared_out_by_text_and_known_ones_are_free(
    endpoint: EmbeddingsEndpoint, caller: ModelCaller
) -> None:
    prices = (Price("made-*", input=2.0, cached_input=None, output=0.0),)
    async with serving(caller, place(endpoint, prices=prices)) as embedder:
        asked = await embedder.embed(("four", "twelve chars"))
        again = await embedder.embed(("four", "and more"))

    assert (asked.tokens, again.tokens) == (16, 8)
    assert (asked.cost, again.cost) == (pytest.approx(32e-6), pytest.approx(16e-6))


async def test_tokens_of_many_who_ask_at_once_add_up(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    texts = [*texts_of(150), *texts_of(30)]
    tokens: list[int] = []

    async def embed(text: str) -> None:
        embeddings = await embedder.embed((text,))
        tokens.append(embeddings.tokens)
        assert embeddings.cost is None

    async with anyio.create_task_group() as tasks:
        for text in texts:
            tasks.start_soon(embed, text)
    assert sum(tokens) == sum(len(text) for each in endpoint.inputs for text in each)


async def test_proxy_and_authorities_of_the_endpoint_are_used(
    endpoint: EmbeddingsEndpoint, caller: ModelCaller
) -> None:
    options = TransportOptions(proxy="http://127.0.0.1:9")
    async with serving(caller, place(endpoint, transport=options, retry_for_s=0.0)) as embedder:
        [error] = await embed_all(embedder, ["a"])

    assert "its proxy 127.0.0.1:9" in str(error)
    assert not endpoint.requests


async def test_an_embedding_without_direction_spoils_no_other(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    endpoint.vector = lambda text: [0.0, -0.0] if text == "b" else [1.0, 2.0]
    good, bad, other = await embed_all(embedder, ["a", "b", "c"])

    assert (list(good), list(other)) == ([1.0, 2.0], [1.0, 2.0])
    assert "without direction" in str(bad)


async def test_embeddings_of_different_lengths_are_not_compared(
    endpoint: EmbeddingsEndpoint, embedder: Embedder
) -> None:
    endpoint.vector = lambda text: [1.0] * len(text)
    await embedder.embed(("a",))

    with pytest.raises(EmbeddingError, match="different lengths"):
        await embedder.embed(("a", "bb"))


async def test_a_text_that_nobody_waits_for_any_more_is_not_asked_for(
    endpoint: EmbeddingsEndpoint, embedder: Embedder
) -> None:
    with anyio.move_on_after(0.001) as scope:
        await embedder.embed(("given up",))
    assert_vectors(await embed_all(embedder, ["wanted"]), ["wanted"])

    assert scope.cancelled_caught
    assert endpoint.inputs == [["wanted"]]


async def test_lone_surrogates_and_large_texts_can_be_sent(endpoint: EmbeddingsEndpoint, embedder: Embedder) -> None:
    texts = ["\ud800", "é" * 700_000, "x" * 700_000]
    assert_vectors(await embed_all(embedder, texts), texts)

    assert sorted(len(each) for each in endpoint.inputs) == [1, 2], "a request holds a million characters"


async def test_the_key_is_in_no_text_form(endpoint: EmbeddingsEndpoint) -> None:
    assert KEY not in repr(place(endpoint))


async def test_an_endpoint_can_be_tried(endpoint: EmbeddingsEndpoint) -> None:
    assert await try_endpoint(place(endpoint)) == 8
    endpoint.faults.append(Fault(500))
    with pytest.raises(EmbeddingError, match="server_error"):
        await try_endpoint(place(endpoint))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [([1, 0], [1, 0], 1.0), ([1, 0], [0, 3], 0.0), ([1, 0], [-1, 0], 0.0), ([1, 1], [1, 0], 0.5**0.5)],
)
def test_cosine_is_between_0_and_1(first: list[int], second: list[int], expected: float) -> None:
    assert cosine(np.array(first, dtype="f4"), np.array(second, dtype="f4")) == pytest.approx(expected)


def test_cosine_of_a_vector_with_itself_is_never_above_1() -> None:
    chance = np.random.default_rng(1)
    for _ in range(200):
        vector = chance.normal(size=3072).astype("f4") * np.float32(1e-3)
        assert cosine(vector, vector) <= 1.0
    assert cosine(np.array(vector_of("a"), dtype="f4"), np.array(vector_of("b"), dtype="f4")) == pytest.approx(
        cosine_of("a", "b"), abs=1e-6
    )
