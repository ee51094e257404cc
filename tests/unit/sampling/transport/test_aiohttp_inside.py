"""Facts about what our connections derive from: a change inside aiohttp is noticed before it is adopted."""

import hashlib
import inspect
from typing import Any

import pytest
from aiohttp import ClientRequest, ClientTimeout, StreamReader, TCPConnector
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector, Connection
from aiohttp.streams import DataQueue

from evalhaven.sampling.transport import connections

# What `connections.py` and `exchange.py` rely on. Where a digest differs: read what changed in it, see that both still
# hold, and write the new digest here.
_READ = {
    ResponseHandler: "da5da6215c0ef3a0",
    DataQueue: "aefbcc09f06b5163",
    BaseProtocol: "b8cbe831e85f09b9",
    StreamReader: "64f76413d16e4765",
    Connection: "b87e0588fdd9526b",
    BaseConnector.connect: "b9fe1f4d3e57ad12",
    BaseConnector._get: "4795a63c99f266c8",
    BaseConnector._release: "105426e5b03d8213",
    TCPConnector.__init__: "1ec3ee542f09ffaf",
    TCPConnector._create_direct_connection: "c009b18bcc3550c3",
    TCPConnector._create_proxy_connection: "639a557d5d48ef98",
    TCPConnector._start_tls_connection: "74351643357a9fc2",
    TCPConnector._wrap_create_connection: "7d64ce0836162099",
    ClientRequest.connection_key: "0976f2a8d42abf05",
}


@pytest.mark.parametrize(
    ("part", "digest"), _READ.items(), ids=[getattr(part, "__qualname__", "key") for part in _READ]
)
def test_what_connections_derive_from_is_as_it_was_read(part: Any, digest: str) -> None:
    source = inspect.getsource(getattr(part, "fget", part))
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == digest


async def test_time_for_connecting_is_not_counted_per_address() -> None:
    connector = connections.Connector(7.0, 50.0)
    assert connector._timeout == ClientTimeout(total=None, connect=7.0, sock_connect=None, sock_read=None)
    assert connector.limit == connector.limit_per_host == 0, "limiters bound calls"
    await connector.close()
