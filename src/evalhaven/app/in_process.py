"""The API in the process of a command, used if no server holds the data directory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from evalhaven.api.application import build_application
from evalhaven.api.readiness import ProcessState
from evalhaven.app.endpoints import open_catalog
from evalhaven.app.logs import logs_without_calls
from evalhaven.app.server import build_services
from evalhaven.app.upgrade import upgraded_database
from evalhaven.app.worker_watch import watcher_of
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.runs.telling import Teller
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncGenerator[FastAPI]:
    """Open the API over a data directory that the caller holds; it executes no runs.

    Raises:
        StartError: The database cannot be used.
    """
    database = open_database(upgraded_database(settings))
    logs = logs_without_calls(settings, database, IdFactory(Clock()))
    state = ProcessState("down")
    watcher = watcher_of(settings, None)
    catalog = open_catalog(settings)
    services = build_services(settings, database, catalog, logs, lambda: None, lambda: state, watcher, Teller())
    services.door.trust_everybody()  # who can open the database is the only one to ask
    try:
        yield build_application(services, _no_lifespan)
    finally:
        await logs.store.close()
        await database.close()


@asynccontextmanager
async def _no_lifespan(_application: FastAPI) -> AsyncGenerator[None]:
    yield
