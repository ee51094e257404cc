"""The client of commands: to a server, else to the API in this process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2

from evalhaven.app.stores import InUseError, hold_data_directory
from evalhaven.sampling.transport.routes import tls_context
from evalhaven.settings import LOOPBACK_HOSTS, Settings
from evalhaven.storage.lock import DataDirectoryLock

# A batch may take its time; a server that is there is connected to at once.
_CLIENT_TIMEOUT = httpx2.Timeout(120.0, connect=10.0)
IN_PROCESS_URL = "http://localhost"


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    """Open a client for commands: to the server that is named or that holds the data directory, else in process.

    Raises:
        StartError: There is neither a server nor a usable data directory.
    """
    url = settings.url
    lock: DataDirectoryLock | None = None
    if url is None:
        try:
            lock = hold_data_directory(settings.data_dir, wait_s=0)
        except InUseError as error:
            if error.url is None:
                raise
            url = error.url
    headers = {} if settings.api_key is None else {"authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    if lock is None:
        # SDKs want the address with /v1, and it is easily copied from there.
        base_url = (url or "").rstrip("/").removesuffix("/v1")
        # The environment's proxies cannot reach this machine's loopback address.
        is_local = urlsplit(base_url).hostname in LOOPBACK_HOSTS
        async with httpx2.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=_CLIENT_TIMEOUT,
            verify=tls_context(None),
            trust_env=not is_local,
        ) as client:
            yield client
        return
    from evalhaven.app.in_process import open_application  # noqa: PLC0415 - takes longer than most requests to a server

    try:
        async with (
            open_application(settings) as application,
            httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url=IN_PROCESS_URL) as client,
        ):
            yield client
    finally:
        lock.release()
