"""Facts about bounds: how large a reply may be, how long a request may take, and what is not sent at all."""

import asyncio
import contextlib
import gzip
import logging
import socket
import time
import traceback
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from evalhaven.sampling.transport.client import Transport, TransportError, TransportOptions, open_transport
from tests.unit.sampling.transport.raw_server import OK, Peer, RawServer, answering, reply, serving

KEY = "sk-made-up-and-secret"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
LIMIT = 1_000_000
_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with open_transport(TransportOptions(max_reply_bytes=LIMIT)) as opened:
        yield opened


async def failure_of(transport: Transport, server: RawServer, timeout_s: float = 10) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await transport.post(server.url, HEADERS, b"{}", timeout_s)
    return caught.value


async def test_body_that_is_announced_as_too_large_is_not_waited_for(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        await peer.wait_for_end()

    async with serving(behave) as server:
        assert (await failure_of(transport, server)).kind == "too_large"
        await asyncio.wait_for(server.ended.wait(), 2)


@pytest.mark.parametrize("field", [b"X-Same: and more\r\n", b"X-Long: " + b"x" * 4096])
async def test_endless_head_is_too_large(transport: Transport, field: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(field * 100)

    async with serving(behave) as server:
        error = await failure_of(transport, server)
    assert error.kind == "too_large"
    assert "headers of more than 256 kB" in str(error)


async def test_endless_answer_of_a_proxy_is_no_connection() -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.send(b"X-Same: and more\r\n" * 1000)

    async with serving(behave) as proxy:
        options = TransportOptions(proxy=f"http://127.0.0.1:{proxy.port}")
        async with open_transport(options) as transport:
            with pytest.raises(TransportError, match="proxy") as caught:
                await transport.post("https://models.example/v1", HEADERS, b"{}", 10)
    assert caught.value.kind == "connect"


async def test_head_of_very_many_headers_is_too_large(transport: Transport) -> None:
    async with serving(answering(reply(b"", *["X-Same: 1"] * 10_000))) as server:
        assert (await failure_of(transport, server)).kind == "too_large"


@pytest.mark.parametrize("part", [b"1000\r\n" + b"x" * 4096 + b"\r\n", b"1;" + b"x" * 4096 + b"\r\nx\r\n"])
async def test_endless_body_is_too_large(transport: Transport, part: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(_CHUNKS)
        while True:
            await peer.send(part)

    async with serving(behave) as server:
        assert (await failure_of(transport, server)).kind == "too_large"


async def test_endless_informational_replies_are_too_large(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        while True:
            await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)

    async with serving(behave) as server:
        assert (await failure_of(transport, server)).kind == "too_large"


async def test_body_of_exactly_the_limit_is_returned(transport: Transport) -> None:
    plain = b"x" * LIMIT
    async with serving(answering(reply(plain), reply(gzip.compress(plain), "Content-Encoding: gzip"))) as server:
        for _ in range(2):
            assert (await transport.post(server.url, HEADERS, b"{}", 10)).body == plain
        assert server.connections == 1


@pytest.mark.parametrize("excess_bytes", [1, 100_000_000])
async def test_compressed_body_counts_as_what_it_becomes(transport: Transport, excess_bytes: int) -> None:
    bomb = reply(gzip.compress(b"\0" * (LIMIT + excess_bytes)), "Content-Encoding: gzip")
    async with serving(answering(bomb)) as server:
        tracemalloc.start()
        try:
            error = await failure_of(transport, server)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert error.kind == "too_large"
    assert "1 MB" in str(error)
    assert peak_bytes < 6 * LIMIT


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"])
async def test_stalled_reply_ends_with_the_time_of_the_request(transport: Transport, sent: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(sent)
        await peer.wait_for_end()

    async with serving(behave) as server:
        started = time.monotonic()
        error = await failure_of(transport, server, 0.2)
        assert 0.19 <= time.monotonic() - started < 2
        assert error.kind == "timeout"
        await asyncio.wait_for(server.ended.wait(), 2)


async def test_trickle_ends_with_the_time_of_the_request(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.02)

    async with serving(behave) as server:
        started = time.monotonic()
        assert (await failure_of(transport, server, 0.3)).kind == "timeout"
        assert time.monotonic() - started < 2


async def test_server_that_reads_nothing_ends_with_the_time_of_the_request(transport: Transport) -> None:
    given_up = asyncio.Event()
    read_bytes = 0

    async def behave(peer: Peer) -> None:
        nonlocal read_bytes
        await given_up.wait()
        with contextlib.suppress(ConnectionError):
            while data := await peer.reader.read(1_000_000):
                read_bytes += len(data)
        peer.server.ended.set()

    async with serving(behave) as server:
        with pytest.raises(TransportError) as caught:
            await transport.post(server.url, HEADERS, b"x" * 30_000_000, 0.3)
        assert caught.value.kind == "timeout"
        given_up.set()
        await asyncio.wait_for(server.ended.wait(), 5)
    assert read_bytes < 30_000_000, "what was not sent yet is not sent any more"


async def test_refused_and_unresolved_hosts_are_not_connected(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for host in (f"127.0.0.1:{unused.getsockname()[1]}", "nowhere.invalid", f"{'long' * 20}.invalid"):
            with pytest.raises(TransportError) as caught:
                await transport.post(f"http://{host}/v1", HEADERS, b"{}", 10)
            assert caught.value.kind == "connect"
            assert host in str(caught.value)


async def test_host_that_accepts_nobody_is_given_up_after_the_connect_timeout() -> None:
    options = TransportOptions(connect_timeout_s=0.5)
    async with open_transport(options) as transport:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(3)]
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            started = time.monotonic()
            with pytest.raises(TransportError) as caught:
                await transport.post(f"http://127.0.0.1:{full.getsockname()[1]}/", HEADERS, b"{}", 10)
            for each in waiting:
                each.close()
    assert caught.value.kind == "connect"
    assert "0.5 seconds" in str(caught.value)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"{KEY}\r\nX-Injected: 1"),
        ("Authorization", f"{KEY}\n"),
        ("Authorization", f"{KEY}\r"),
        ("Authorization", f"{KEY}é"),
        ("Authorization", f"{KEY}\0"),
        ("Authorization", f"{KEY}\x7f"),
        ("X Blank", KEY),
        ("X-Blank ", KEY),
        ("X-Injected: 1\r\nX", KEY),
        ("", KEY),
    ],
)
async def test_header_that_cannot_be_sent_is_refused_without_being_shown(
    transport: Transport, name: str, value: str
) -> None:
    async with serving(answering(OK)) as server:
        with pytest.raises(ValueError, match="header") as caught:
            await transport.post(server.url, {name: value}, b"{}", 10)
        assert server.connections == 0
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "host/x",
        "http:///x",
        f"http://user:{KEY}@host/x",
        "http://host/a b",
        "http://ho st/",
        f"http://host/é?key={KEY}",
        f"http://host/a?key={KEY}\r\nX: 1 2",
        "http://host:99999/",
        f"http://{'ü' * 70}.example/",
    ],
)
async def test_url_that_cannot_be_asked_is_refused_without_being_shown(transport: Transport, url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        await transport.get(url, {}, 10)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("option", ["proxy", "ca_file"])
def test_unusable_options_are_refused_without_showing_a_password(option: str, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    options = (
        TransportOptions(proxy=f"socks5://user:{KEY}@host:1080")
        if option == "proxy"
        else TransportOptions(ca_file=tmp_path / "no.pem")
    )
    with pytest.raises(ValueError, match="http://host:port" if option == "proxy" else r"no\.pem") as caught:
        open_transport(options)
    assert KEY not in "".join(traceback.format_exception(caught.value)) + repr(options)


async def test_no_failure_shows_a_key_or_a_prompt(
    transport: Transport, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    prompt = "what the user keeps to himself"
    shown = repr(transport)
    for sent in (b"", b"nonsense\r\n\r\n", reply(b"x" * (LIMIT + 1)), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx"):
        async with serving(answering(sent)) as server:
            for url in (f"{server.url}?key={KEY}", f"https://127.0.0.1:{server.port}/?key={KEY}"):
                with pytest.raises(TransportError) as caught:
                    await transport.post(url, HEADERS, prompt.encode(), 0.5)
                assert caught.value.__cause__ is caught.value.__context__ is None
                shown += "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__)
    async with serving(answering(reply(b"said", f"Set-Cookie: {KEY}"))) as server:
        shown += repr(await transport.post(server.url, HEADERS, b"{}", 10))
    shown += caplog.text + "".join(capfd.readouterr())
    assert KEY not in shown
    assert prompt not in shown
