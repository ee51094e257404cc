"""Streams through the gateway: not a byte differs, nobody waits, and each side notices when the other one ends."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.server import Server, show_server_logs
from tests.sizes import SEED, SIZES
from tests.streaming_upstream import StreamingUpstream, parts_of
from tests.system.inside import peak_memory_mb
from tests.system.passing_on import CHAT, chat, passing_server, raw_post, until

pytest_runtest_makereport = show_server_logs

_MB = 1024 * 1024


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, StreamingUpstream]]:
    with passing_server(tmp_path_factory.mktemp("gateway")) as both:
        yield both


@pytest.fixture
def server(running: tuple[Server, StreamingUpstream]) -> Server:
    return running[0]


@pytest.fixture
def upstream(running: tuple[Server, StreamingUpstream]) -> StreamingUpstream:
    return running[1]


@pytest.fixture
async def http(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        base_url=server.url, timeout=60, trust_env=False, verify=False, limits=limits
    ) as client:
        yield client


@pytest.mark.proof
async def test_not_a_byte_of_many_streams_at_once_differs(http: httpx2.AsyncClient) -> None:
    chance = random.Random(SEED)
    told = [
        {
            "parts": SIZES.stream_parts,
            "pause_ms": 50,
            "seed": chance.randrange(2**32),
            "before_ms": chance.randrange(500),
        }
        for _ in range(SIZES.streams)
    ]

    async def ask(each: dict[str, int]) -> bytes:
        answer = await http.post(CHAT, json=chat(each), timeout=600)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        return answer.content

    answers = await asyncio.gather(*map(ask, told))
    different = [each for each, answer in zip(told, answers, strict=True) if answer != b"".join(parts_of(each))]
    assert different == []


async def test_each_part_arrives_before_the_next_one_is_made(http: httpx2.AsyncClient) -> None:
    told = {"parts": 4, "pause_ms": 500}
    parts = parts_of(told)
    async with asyncio.timeout(30), http.stream("POST", CHAT, json=chat(told)) as answer:
        came = [part async for part in answer.aiter_raw()]
    assert came == parts


async def test_a_client_that_hangs_up_before_the_first_byte_ends_the_call(
    server: Server, upstream: StreamingUpstream
) -> None:
    await until(lambda: upstream.under_way == 0, "what came before has ended")
    before = upstream.hung_up
    connection = raw_post(server, chat({"before_ms": 60_000}))
    await until(lambda: upstream.under_way == 1, "the endpoint is asked")
    connection.close()
    await until(lambda: upstream.under_way == 0, "the endpoint is left")
    assert upstream.hung_up == before + 1


async def test_a_client_that_hangs_up_within_a_stream_ends_the_call(
    server: Server, upstream: StreamingUpstream
) -> None:
    await until(lambda: upstream.under_way == 0, "what came before has ended")
    before = upstream.hung_up
    connection = raw_post(server, chat({"parts": 1000, "pause_ms": 100}))
    assert await asyncio.to_thread(connection.recv, 10)
    connection.close()
    await until(lambda: upstream.under_way == 0, "the endpoint is left")
    assert upstream.hung_up == before + 1


async def test_a_client_that_hangs_up_while_it_reads_nothing_ends_the_call(
    server: Server, upstream: StreamingUpstream
) -> None:
    connection = raw_post(server, chat({"parts": 40, "part_bytes": 500_000}))
    await until(lambda: upstream.under_way == 1, "the endpoint is asked")
    await asyncio.sleep(1)
    connection.close()
    await until(lambda: upstream.under_way == 0, "the endpoint is left")


@pytest.mark.parametrize("end", [{}, {"reset": True}])
async def test_a_stream_that_is_cut_upstream_is_cut_for_the_client(
    server: Server, http: httpx2.AsyncClient, end: dict[str, bool]
) -> None:
    told = {"parts": 8, "pause_ms": 30, "cut_after": 5, **end}
    parts = parts_of(told)
    came: list[bytes] = []

    async def read() -> None:
        async with http.stream("POST", CHAT, json=chat(told)) as answer:
            assert answer.status_code == 200
            async for part in answer.aiter_raw():
                came.append(part)  # noqa: PERF401 - what came before the cut counts

    with pytest.raises(httpx2.RemoteProtocolError):
        await read()
    assert b"".join(came) == b"".join(parts[:5]), "what had come before the cut is not lost"
    assert "gateway_reply_cut" in server.log
    assert "Traceback" not in server.log
    assert "without completing response" not in server.log


async def test_an_endpoint_that_falls_silent_within_a_stream_is_given_up(
    upstream: StreamingUpstream, http: httpx2.AsyncClient
) -> None:
    told = {"parts": 3, "pause_ms": 60_000}
    with pytest.raises(httpx2.RemoteProtocolError):
        await http.post(CHAT, json=chat(told, model="late"))
    await until(lambda: upstream.under_way == 0, "the endpoint is left")


async def test_a_server_that_is_stopped_ends_its_calls_so_that_it_shows(tmp_path: Path) -> None:
    with passing_server(tmp_path) as (server, upstream):
        streaming = raw_post(server, chat({"parts": 1000, "pause_ms": 100}))
        waiting = raw_post(server, chat({"before_ms": 60_000}))
        await until(lambda: upstream.under_way == 2, "the endpoint is asked twice")
        await asyncio.to_thread(server.stop)
        cut, refused = [await asyncio.to_thread(_read_to_end, each) for each in (streaming, waiting)]
        await until(lambda: upstream.under_way == 0, "the endpoint is left")
    assert cut.startswith(b"HTTP/1.1 200 ")
    assert not cut.endswith(b"0\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"server_stops"' in refused
    assert "Traceback" not in server.log


async def test_a_slow_reader_slows_the_endpoint_down_and_fills_no_memory(
    server: Server, upstream: StreamingUpstream
) -> None:
    told = {"parts": 60, "part_bytes": 500_000}
    whole = sum(map(len, parts_of(told)))
    assert whole > 50 * _MB
    before, sent_before = peak_memory_mb(server.process.pid), upstream.sent_bytes
    connection = raw_post(server, chat(told))
    await until(lambda: upstream.under_way == 1, "the endpoint is asked")
    await asyncio.sleep(2)
    assert upstream.sent_bytes - sent_before < 20 * _MB, "the endpoint waits, since nobody reads"
    assert peak_memory_mb(server.process.pid) - before < 30
    received = 0
    while received < whole:
        received += len(await asyncio.to_thread(connection.recv, _MB))
    connection.close()
    assert peak_memory_mb(server.process.pid) - before < 30


def _read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(_MB):
        received += data
    connection.close()
    return received
