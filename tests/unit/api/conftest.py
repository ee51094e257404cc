"""The API in this process, over a migrated database."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from evalhaven.api.access.attempts import Attempts
from evalhaven.api.access.door import Door, LoginPolicy
from evalhaven.api.access.logins import Logins
from evalhaven.api.application import build_application
from evalhaven.api.gateway.calls import Gateway, GatewayConfig
from evalhaven.api.pages.dashboard import BUILT_PAGES, Dashboard
from evalhaven.api.readiness import ProcessState, Readiness
from evalhaven.api.replicas import Replicas
from evalhaven.api.run_feed import RunFeed
from evalhaven.api.services import ApiConfig, Services, get_scope
from evalhaven.api.trusted_proxies import TrustedProxies
from evalhaven.api.work_meters import WorkMeters
from evalhaven.app.shown_settings import shown_settings
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from evalhaven.graders.python.environments import Environments
from evalhaven.graders.python.isolation import IsolationChoice
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.finder import CallFinder
from evalhaven.logs.handover.ledger import Ledger
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.ingest.intake import CallIntake
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.meters.board import Board
from evalhaven.reports.comparing import Comparer
from evalhaven.reports.item_choice import ItemChooser
from evalhaven.reports.worker_overviews import OwnExecutor, Watcher
from evalhaven.runs.accepting.eval_acceptance import EvalAcceptance
from evalhaven.runs.accepting.python_checks import PythonChecks
from evalhaven.runs.accepting.rerun_acceptance import RerunAcceptance
from evalhaven.runs.accepting.run_acceptance import RunAcceptance
from evalhaven.runs.ending.lifecycle import Lifecycle
from evalhaven.runs.telling import Teller
from evalhaven.runs.vault import Vault
from evalhaven.sampling.catalog import Catalog
from evalhaven.sampling.examination import Finding
from evalhaven.settings import Settings
from evalhaven.storage.database import Database
from evalhaven.storage.local_blobs import LocalBlobStore
from evalhaven.webhooks.addresses import rules_of
from evalhaven.webhooks.deliverer import Deliverer
from evalhaven.webhooks.endpoints import Webhooks
from evalhaven.webhooks.sender import Sender, SenderOptions
from tests.unit.domain.still_clock import StillClock
from tests.unit.storage.stored import database

__all__ = ["database"]

CONFIG = ApiConfig(
    base_url="http://127.0.0.1:8765",
    list_order="desc",
    allowed_hosts=frozenset({"127.0.0.1", "localhost", "[::1]", "::1", "evals.example.org"}),
    allowed_origins=frozenset({"http://127.0.0.1:8765", "http://localhost:3000"}),
    trusted_proxies=TrustedProxies(),
    has_own_https_host=False,
    max_body_bytes=1024 * 1024,
    max_file_bytes=1024 * 1024,
    log_days=30,
    log_max_gb=None,
)


async def _examine(_name: str | None) -> list[Finding]:
    return []


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Services:
    """Return the services behind the API; no executor runs."""
    clock = StillClock()
    blobs = LocalBlobStore(tmp_path / "blobs")
    ids = IdFactory(clock)
    catalog = Catalog(())
    isolation = IsolationChoice(None, Environments(tmp_path / "environments"), [])
    logs = DayFileStore(tmp_path / "logs", clock)
    sender = LogSender(Ledger.in_memory("test", 100), logs, Redaction(), 1024 * 1024)
    replicas = Replicas(database, None)
    finder = CallFinder(sender, logs, replicas.are_recording)
    board, gateway_config = Board(), GatewayConfig(True, "asked", CONFIG.max_body_bytes)
    python, vault = PythonChecks(isolation), Vault(tmp_path / "secret.key")
    rules = rules_of(())
    webhook_sender = Sender(SenderOptions(rules), vault, clock)
    deliverer = Deliverer(database, webhook_sender, clock, CONFIG.base_url)
    return Services(
        database=database,
        door=Door(database, clock, LoginPolicy(own_origins=frozenset({"http://127.0.0.1:8765"}))),
        logins=Logins(Attempts(), None, is_secure=False),
        blobs=blobs,
        spool_dir=tmp_path,
        ids=ids,
        clock=clock,
        wake_executor=lambda: None,
        is_executor_running=lambda: True,
        readiness=Readiness(database, blobs, clock, lambda: ProcessState("ok")),
        watcher=lambda: Watcher("0", 30.0, OwnExecutor("here", 1, 0, 0.0, is_up=True)),
        examine=_examine,
        settings=shown_settings(Settings.model_validate({"data_dir": tmp_path})),
        catalog=catalog,
        log_store=logs,
        log_intake=CallIntake(logs, Redaction(), clock, 30),
        log_sender=sender,
        recorder_state=lambda: None,
        call_finder=finder,
        replicas=replicas,
        config=CONFIG,
        dashboard=Dashboard(BUILT_PAGES),
        gateway=Gateway(gateway_config, catalog, ids, clock, sender, finder, Teller(board)),
        isolation=isolation,
        python_checks=python,
        evals=EvalAcceptance(database, ids, clock, python),
        runs=RunAcceptance(database, blobs, ids, clock, catalog, vault, python, lambda: None, sender.settle),
        reruns=RerunAcceptance(database, ids, clock, catalog, vault, python, lambda: None),
        lifecycle=Lifecycle(database, clock, lambda: None, Teller(board)),
        comparer=cache(Comparer),
        item_chooser=cache(ItemChooser),
        run_feed=RunFeed(database, clock),
        webhooks=Webhooks(database, ids, clock, vault, rules, webhook_sender, deliverer.wake),
        deliver=deliverer.serve,
        board=board,
        work_meters=WorkMeters(database, clock, board, lease_s=30.0),
    )


@pytest.fixture
async def client(services: Services) -> AsyncGenerator[httpx2.AsyncClient]:
    """Return a client of the API."""
    async with calling(services) as client:
        yield client


@asynccontextmanager
async def calling(services: Services, project: ProjectScope = DEFAULT_PROJECT) -> AsyncGenerator[httpx2.AsyncClient]:
    """Open a client of the API over these services, of a project."""

    @asynccontextmanager
    async def lifespan(_application: FastAPI) -> AsyncGenerator[None]:
        yield

    application = build_application(services, lifespan)
    application.dependency_overrides[get_scope] = lambda: project
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        yield client
