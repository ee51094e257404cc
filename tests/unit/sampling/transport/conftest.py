"""A transport on each event loop: the executor runs on uvloop where there is one."""

from collections.abc import AsyncIterator

import pytest

from evalhaven.sampling.transport.client import HttpTransport, TransportOptions, open_transport


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both event loops."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    """Open a transport that gives up connecting after two seconds."""
    async with open_transport(TransportOptions(connect_timeout_s=2)) as opened:
        yield opened
