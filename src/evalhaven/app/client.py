"""The client of commands: to a server, else to the API in this process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2

from evalhaven.app.local_token import read_local_token
from evalhaven.app.stores import InUseError, StartError, hold_data_directory
from evalhaven.sampling.transport.routes import tls_context
from evalhaven.settings import LOOPBACK_HOSTS, Settings
from evalhaven.storage.lock import find_holder

# A batch may take a while, but connecting to a server that is up does not.
_CLIENT_TIMEOUT = httpx2.Timeout(120.0, connect=10.0)
IN_PROCESS_URL = "http://localhost"


def find_server(settings: Settings) -> str | None:
    """Return the address of the server that commands work with; nothing is created or changed.

    It is the one that the settings name, else the one that holds the data directory, whatever its database is.

    Returns:
        Its address; None if no server is named and none holds the data directory.

    Raises:
        InUseError: The process that holds the data directory has not said where it is reached.
        StartError: The data directory cannot be read.
    """
    if settings.url is not None:
        return settings.url
    try:
        holder = find_holder(settings.data_dir)
    except OSError as error:
        raise StartError(f"The data directory {str(settings.data_dir)!r} cannot be read: {error.strerror}.") from error
    if holder is not None and holder.url is None:
        raise InUseError(
            f"Process {holder.process} holds the data directory {str(settings.data_dir)!r} and has not said where it "
            "is reached: a server that is starting, or a command that works on the directory.",
            None,
        )
    return None if holder is None else holder.url


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    """Open a client for commands: to the server that is named or that holds the data directory, else in process.

    Raises:
        StartError: There is neither a server nor a usable data directory.
    """
    url = find_server(settings)
    headers = {"openai-project": settings.project} if settings.project else {}
    lock = None if url is not None else hold_data_directory(settings.data_dir, wait_s=0)
    if lock is None:
        key = _key_for(settings, url)
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        # SDKs want the address with /v1, and users copy it from there.
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
    # Takes longer than most requests to a server.
    from evalhaven.app.in_process import open_application  # noqa: PLC0415
    from evalhaven.app.streamed_answers import StreamingTransport  # noqa: PLC0415

    try:
        async with (
            open_application(settings) as application,
            httpx2.AsyncClient(
                transport=StreamingTransport(application), base_url=IN_PROCESS_URL, headers=headers
            ) as client,
        ):
            yield client
    finally:
        lock.release()


def _key_for(settings: Settings, url: str | None) -> str | None:
    """Return what is sent to a server: the key of the settings, else the token of the one that holds the directory.

    To no other server: it is as good as a key.
    """
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    try:
        holder = find_holder(settings.data_dir)
    except OSError:
        return None
    is_here = (
        holder is not None and holder.url is not None and holder.url == (url or "").rstrip("/").removesuffix("/v1")
    )
    return read_local_token(settings.data_dir) if is_here else None
