"""What the routes work with, supplied by `app`."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Request
from pydantic import SecretStr

from evalhaven.access.callers import Caller
from evalhaven.api.access.door import Door
from evalhaven.api.access.logins import Logins
from evalhaven.api.access.routes import caller_of
from evalhaven.api.gateway.calls import Gateway
from evalhaven.api.pages.dashboard import Dashboard
from evalhaven.api.readiness import ProcessState, Readiness
from evalhaven.api.replicas import Replicas
from evalhaven.api.run_feed import RunFeed
from evalhaven.api.trusted_proxies import TrustedProxies
from evalhaven.api.work_meters import WorkMeters
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.graders.python.isolation import IsolationChoice
from evalhaven.logs.finder import CallFinder
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.ingest.intake import CallIntake
from evalhaven.logs.store import LogStore
from evalhaven.meters.board import Board
from evalhaven.reports.worker_overviews import Watcher
from evalhaven.runs.accepting.eval_acceptance import EvalAcceptance
from evalhaven.runs.accepting.python_checks import PythonChecks
from evalhaven.runs.accepting.rerun_acceptance import RerunAcceptance
from evalhaven.runs.accepting.run_acceptance import RunAcceptance
from evalhaven.runs.ending.lifecycle import Lifecycle
from evalhaven.sampling.catalog import Catalog
from evalhaven.sampling.examination import Finding
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database
from evalhaven.webhooks.endpoints import Webhooks
from evalhaven.wire.server import ServerSettings

if TYPE_CHECKING:
    from evalhaven.reports.comparing import Comparer
    from evalhaven.reports.item_choice import ItemChooser
    from evalhaven.tracing.tracer import Tracing


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Settings of the API.

    Attributes:
        base_url: The address at which users reach this server; every link begins with it.
        list_order: Order of lists when a request names none.
        allowed_hosts: Names under which the server may be addressed, in lower case and without a port.
        allowed_origins: Origins whose pages may write, as browsers write them.
        trusted_proxies: Who is believed about a request's client.
        has_own_https_host: Whether users reach the server over HTTPS, at a host that is nobody else's.
        max_body_bytes: Largest JSON body.
        max_file_bytes: Largest uploaded file.
        log_days: Days for which logged calls are kept.
        log_max_gb: Most that logged calls may take; None for no limit.
        metrics_token: What scrapers of metrics have to send; None: nothing.
    """

    base_url: str
    list_order: Order
    allowed_hosts: frozenset[str]
    allowed_origins: frozenset[str]
    trusted_proxies: TrustedProxies
    has_own_https_host: bool
    max_body_bytes: int
    max_file_bytes: int
    log_days: int
    log_max_gb: float | None
    metrics_token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """The parts behind the API.

    Attributes:
        door: Lets requests in.
        logins: How somebody can log in to the dashboard.
        spool_dir: Where large bodies are kept while they are read.
        wake_executor: Tells the executor that a run was created, canceled or deleted.
        is_executor_running: Tells whether the executor is up and answers.
        readiness: Tells whether the server can work now.
        watcher: Tells who looks at workers.
        examine: Asks the endpoints whether they answer: all, or the one that is named.
        settings: What the server was set up to do, secrets masked.
        catalog: The endpoints at which models are asked.
        log_store: Logged calls.
        log_sender: The way of calls to this store, with copies of those that have not arrived.
        log_intake: Stores calls that come from elsewhere.
        recorder_state: Tells the state of the process that stores calls; None if none is needed.
        call_finder: Finds logged calls by their ids.
        replicas: The servers beside this one.
        dashboard: The pages for people.
        gateway: Passes calls to models on.
        isolation: How python graders are isolated here.
        python_checks: Checks Python graders.
        evals: Makes evals from requests, and changes them.
        runs: Makes runs from requests.
        reruns: Queues regrades and retries.
        lifecycle: Cancels and deletes runs and evals.
        comparer: Returns what compares runs, which is made when it is first needed.
        item_chooser: Returns what chooses items of runs, which is made when it is first needed.
        run_feed: Tells how runs go on.
        webhooks: Makes and changes webhooks.
        deliver: Tells webhooks of what happened, until canceled.
        board: Shows what this server and its processes do.
        work_meters: Reads, for the board, what is left to do.
        tracing: Traces requests; None if traces are off.
    """

    database: Database
    door: Door
    logins: Logins
    blobs: BlobStore
    spool_dir: Path
    ids: IdFactory
    clock: Clock
    wake_executor: Callable[[], None]
    is_executor_running: Callable[[], bool]
    readiness: Readiness
    watcher: Callable[[], Watcher]
    examine: Callable[[str | None], Awaitable[Sequence[Finding]]]
    settings: ServerSettings
    catalog: Catalog
    log_store: LogStore
    log_sender: LogSender
    log_intake: CallIntake
    recorder_state: Callable[[], ProcessState | None]
    call_finder: CallFinder
    replicas: Replicas
    config: ApiConfig
    dashboard: Dashboard
    gateway: Gateway
    isolation: IsolationChoice
    python_checks: PythonChecks
    evals: EvalAcceptance
    runs: RunAcceptance
    reruns: RerunAcceptance
    lifecycle: Lifecycle
    comparer: Callable[[], "Comparer"]
    item_chooser: Callable[[], "ItemChooser"]
    run_feed: RunFeed
    webhooks: Webhooks
    deliver: Callable[[], Coroutine[Any, Any, None]]
    board: Board
    work_meters: WorkMeters
    tracing: "Tracing | None" = None

    def now(self) -> int:
        """Return the Unix second."""
        return int(self.clock.now())


async def get_services(request: Request) -> Services:
    """Return the services of the application that serves a request."""
    return cast("Services", request.app.state.services)


async def get_caller(request: Request) -> Caller:
    """Return who sent a request, as the door has found out."""
    return caller_of(request.scope)


async def get_scope(request: Request) -> ProjectScope:
    """Return the project in which the caller acts: no route has another one."""
    return caller_of(request.scope).scope


ServicesOf = Annotated[Services, Depends(get_services)]
CallerOf = Annotated[Caller, Depends(get_caller)]
ScopeOf = Annotated[ProjectScope, Depends(get_scope)]
