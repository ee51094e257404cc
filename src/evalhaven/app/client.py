"""The client of commands: to a server, else to the API in this process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI

from evalhaven.api.application import build_application
from evalhaven.app.endpoints import open_catalog
from evalhaven.app.server import build_services
from evalhaven.app.stores import InUseError, hold_data_directory
from evalhaven.app.upgrade import upgraded_database
from evalhaven.settings import LOOPBACK_HOSTS, Settings
from evalhaven.storage.database import open_database
from evalhaven.storage.lock import DataDirectoryLock

_CLIENT_TIMEOUT_S = 120.0
IN_PROCESS_URL = "http://localhost"


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncGenerator[httpx.AsyncClient]:
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
        async with httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=_CLIENT_TIMEOUT_S, trust_env=not is_local
        ) as client:
            yield client
        return
    database = open_database(upgraded_database(settings))
    services = build_services(settings, database, open_catalog(settings), lambda: None, lambda: False)
    transport = httpx.ASGITransport(build_application(services, _no_lifespan))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=IN_PROCESS_URL) as client:
            yield client
    finally:
        await database.close()
        lock.release()


@asynccontextmanager
async def _no_lifespan(_application: FastAPI) -> AsyncGenerator[None]:
    yield
