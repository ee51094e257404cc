"""Facts about the way to a server: certificates, tunnels and proxies."""

import asyncio
import contextlib
import ssl
import traceback
from pathlib import Path

import pytest
import trustme

from evalhaven.sampling.transport.client import Transport, TransportError, TransportOptions, open_transport
from evalhaven.sampling.transport.routes import route_to
from tests.unit.sampling.transport.raw_server import HEADERS, Peer, answering, keep_answering, reply, serving


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_server_of_a_private_authority_is_trusted_when_its_file_is_given(
    authority: trustme.CA, ca_file: Path
) -> None:
    async with (
        open_transport(TransportOptions(ca_file=ca_file)) as transport,
        serving(keep_answering, server_tls(authority)) as server,
    ):
        for body in (b"{}", b"x" * 3_000_000, b"{}"):
            assert (await transport.post(server.url, HEADERS, body, 10)).body == b"ok"
    assert [len(request.body) for request in server.requests] == [2, 3_000_000, 2]
    assert server.connections == 1


@pytest.mark.parametrize("is_known", [True, False], ids=["another name", "unknown authority"])
async def test_wrong_certificate_gets_no_request(authority: trustme.CA, ca_file: Path, is_known: bool) -> None:
    name = "elsewhere.example" if is_known else "127.0.0.1"
    options = TransportOptions(ca_file=ca_file if is_known else None)
    async with open_transport(options) as transport, serving(keep_answering, server_tls(authority, name)) as server:
        with pytest.raises(TransportError, match="certificate") as caught:
            await transport.post(server.url, HEADERS, b"{}", 10)
    assert caught.value.kind == "connect"
    assert not server.requests


async def test_server_without_tls_is_not_connected(transport: Transport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.wait_for_end()

    async with serving(behave) as server:
        with pytest.raises(TransportError) as caught:
            await transport.post(f"https://127.0.0.1:{server.port}/", HEADERS, b"{}", 10)
    assert caught.value.kind == "connect"


async def test_cancelled_request_over_tls_is_closed_within_moments(authority: trustme.CA, ca_file: Path) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.wait_for_end()

    async with (
        open_transport(TransportOptions(ca_file=ca_file)) as transport,
        serving(behave, server_tls(authority)) as server,
    ):
        task = asyncio.create_task(transport.post(server.url, HEADERS, b"{}", 60))
        await asyncio.wait_for(server.asked.wait(), 5)
        task.cancel()
        await asyncio.wait_for(server.ended.wait(), 2)
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def relaying(peer: Peer) -> None:
    """Open the tunnel that is asked for; answer other requests as if they had been passed on."""
    request = await peer.read()
    if not request.line.startswith("CONNECT "):
        await peer.send(reply(request.line.encode()))
        return
    host, _, port = request.line.split()[1].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await peer.send(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n")

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    try:
        await asyncio.gather(copy(peer.reader, writer), copy(reader, peer.writer))
    finally:
        writer.close()


async def test_plain_requests_go_to_the_proxy_with_its_password() -> None:
    async with serving(relaying) as proxy:
        options = TransportOptions(proxy=f"http://me:p%40ss@127.0.0.1:{proxy.port}")
        async with open_transport(options) as transport:
            answer = await transport.post("http://models.example/v1/x?y=1", HEADERS, b"{}", 10)
    assert answer.body == b"POST http://models.example/v1/x?y=1 HTTP/1.1"
    headers = proxy.requests[0].headers
    assert headers["host"] == "models.example"
    assert headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
    assert "p@ss" not in repr(options)


async def test_secure_requests_go_through_a_tunnel(authority: trustme.CA, ca_file: Path) -> None:
    async with serving(keep_answering, server_tls(authority)) as server, serving(relaying) as proxy:
        options = TransportOptions(proxy=f"http://me:secret@127.0.0.1:{proxy.port}", ca_file=ca_file)
        async with open_transport(options) as transport:
            for _ in range(3):
                assert (await transport.post(server.url, HEADERS, b"{}", 10)).body == b"ok"
    [tunnel] = proxy.requests
    assert tunnel.line == f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"
    assert "authorization" not in tunnel.headers
    assert tunnel.headers["proxy-authorization"]
    assert all("proxy-authorization" not in request.headers for request in server.requests)
    assert server.requests[0].line == "POST /v1/chat/completions HTTP/1.1"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"HTTP/1.1 407 Who are you\r\n\r\n", "answered 407"),
        (b"HTTP/1.1 200 Fine\r\n\r\nand more", "answered 200"),
        (b"nonsense\r\n\r\n", "no HTTP"),
        (b"x" * 100_000, "no HTTP"),
    ],
)
async def test_proxy_that_opens_no_tunnel_is_no_connection(sent: bytes, said: str) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(sent)
        await peer.wait_for_end()

    async with serving(behave) as proxy:
        options = TransportOptions(proxy=f"http://me:secret@127.0.0.1:{proxy.port}")
        async with open_transport(options) as transport:
            with pytest.raises(TransportError, match=said) as caught:
                await transport.post("https://models.example/v1", HEADERS, b"{}", 10)
            await asyncio.wait_for(proxy.ended.wait(), 2)
    assert caught.value.kind == "connect"
    assert caught.value.__cause__ is caught.value.__context__ is None  # aiohttp's have the proxy's address in them
    assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_proxy_that_ends_the_connection_is_no_connection() -> None:
    async with serving(answering(b"")) as proxy:
        options = TransportOptions(proxy=f"http://127.0.0.1:{proxy.port}")
        async with open_transport(options) as transport:
            with pytest.raises(TransportError) as caught:
                await transport.post("https://models.example/v1", HEADERS, b"{}", 10)
    assert caught.value.kind == "connect"


async def test_proxy_that_is_not_there_is_named_without_its_password(free_tcp_port: int) -> None:
    async with open_transport(TransportOptions(proxy=f"http://me:secret@127.0.0.1:{free_tcp_port}")) as transport:
        for scheme in ("http", "https"):
            with pytest.raises(TransportError, match=f"its proxy 127.0.0.1:{free_tcp_port}: ") as caught:
                await transport.post(f"{scheme}://models.example/v1", HEADERS, b"{}", 10)
            assert caught.value.kind == "connect"
            assert caught.value.__cause__ is caught.value.__context__ is None
            assert "secret" not in "".join(traceback.format_exception(caught.value))


async def test_request_cancelled_in_a_tunnel_closes_it() -> None:
    begun = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.read()
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await peer.reader.readexactly(1)  # TLS begins, and is never answered
        begun.set()
        await peer.wait_for_end()

    async with (
        serving(behave) as proxy,
        open_transport(TransportOptions(proxy=f"http://127.0.0.1:{proxy.port}")) as transport,
    ):
        task = asyncio.create_task(transport.post("https://models.example/v1", HEADERS, b"{}", 60))
        await asyncio.wait_for(begun.wait(), 5)
        task.cancel()
        await asyncio.wait_for(proxy.ended.wait(), 2)
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy", "HTTP_PROXY"])
async def test_proxy_of_the_environment_counts_only_when_told_and_never_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with serving(relaying) as proxy, serving(keep_answering) as server:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        async with open_transport(TransportOptions(trust_env=True)) as transport:
            answer = await transport.get("http://models.invalid/x", {}, 10)
            assert answer.body == b"GET http://models.invalid/x HTTP/1.1"
            for host in ("127.0.0.1", "localhost"):
                assert (await transport.get(f"http://{host}:{server.port}/x", {}, 10)).body == b"ok"
        async with open_transport(TransportOptions(connect_timeout_s=0.5)) as transport:
            with pytest.raises(TransportError, match="models"):
                await transport.get("http://models.invalid/x", {}, 10)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    ("url", "is_by_proxy"),
    [
        ("https://models.example/", True),
        ("https://intern.example/", False),
        ("https://INTERN.example./", False),
        ("https://below.intern.example/", False),
        ("https://notintern.example/", True),
        ("https://an.other.example/", False),
        ("https://starred.example/", False),
        ("https://an.starred.example/", False),
        ("https://ported.example:8443/", False),
        ("https://ported.example/", True),
        ("https://default.example/", False),
        ("https://bücher.example/", False),
        ("https://[::1]/", False),
        ("https://127.1.2.3/", False),
        ("https://app.localhost/", False),
        ("https://192.0.2.1/", True),
        ("https://10.0.0.1/", False),
        ("https://10.200.0.1:8000/", False),
        ("https://192.0.2.7/", False),
        ("https://192.0.2.8:8000/", False),
        ("https://192.0.2.8/", True),
        ("https://[2001:db8::1]/", False),
        ("https://[2001:db8:0::0:1]/", False),
        ("https://[2001:db8::2]/", True),
        ("https://[2001:db8::3]:8000/", False),
        ("https://[2001:db8::3]/", True),
        ("https://[2001:db8::4]/", False),
        ("https://[fd00::5]/", False),
    ],
)
def test_hosts_without_proxy_are_those_of_no_proxy_and_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, is_by_proxy: bool
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv(
        "no_proxy",
        "Intern.example, .other.example,*.starred.example,ported.example:8443,default.example:443,bücher.example,"
        "10.0.0.0/8,192.0.2.7,192.0.2.8:8000,[2001:db8::1],[2001:db8::3]:8000,2001:db8::4,fd00::/8,nonsense/x,[,:,",
    )
    assert (route_to(url, None, trust_env=True).origin.proxy is not None) == is_by_proxy
    assert route_to(url, None, trust_env=False).origin.proxy is None
    for everybody in ("*", "nobody.example, *"):
        monkeypatch.setenv("no_proxy", everybody)
        assert route_to(url, None, trust_env=True).origin.proxy is None


async def test_unusable_proxy_of_the_environment_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://me:secret@proxy.example:1080")
    async with open_transport(TransportOptions(trust_env=True)) as transport:
        with pytest.raises(TransportError, match="http://host:port") as caught:
            await transport.get("http://models.example/", {}, 10)
    assert caught.value.kind == "connect"
    assert "secret" not in str(caught.value)
