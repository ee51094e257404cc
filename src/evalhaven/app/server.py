"""The server's parts, put together, and its start."""

import gc
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.keys import LOCAL_PREFIX
from evalhaven.access.sessions import cookies_of
from evalhaven.api.access.door import Door
from evalhaven.api.access.logins import log_out_others
from evalhaven.api.application import build_application
from evalhaven.api.connections import ConnectionLimits, guarded_protocol
from evalhaven.api.gateway.calls import Gateway, GatewayConfig
from evalhaven.api.pages.dashboard import BUILT_PAGES, Dashboard
from evalhaven.api.readiness import ProcessState, Readiness
from evalhaven.api.run_feed import RunFeed
from evalhaven.api.services import ApiConfig, Services
from evalhaven.api.trusted_proxies import TrustedProxies
from evalhaven.api.work_meters import WorkMeters
from evalhaven.app.crew import Crew
from evalhaven.app.endpoints import log_catalog, open_catalog
from evalhaven.app.examination import PacedExamination, examine_server
from evalhaven.app.first_key import make_first_key
from evalhaven.app.local_token import leave_local_token
from evalhaven.app.logins import login_policy, open_logins
from evalhaven.app.logs import Logs, open_logs, open_replicas
from evalhaven.app.metrics_port import show_build
from evalhaven.app.neighbours import close_to_neighbours
from evalhaven.app.open_files import allow_many_connections, most_connections
from evalhaven.app.python_graders import isolation_choice
from evalhaven.app.seats import LEAVES_WITHIN_S, WorkerSeat, executor_command, seat_beside, seat_of_directory
from evalhaven.app.shown_settings import shown_settings
from evalhaven.app.stores import StartError, blob_store, hold_data_directory, vault
from evalhaven.app.supervisor import Child, Supervisor
from evalhaven.app.tracing import open_tracing
from evalhaven.app.upgrade import upgraded_database
from evalhaven.app.wake_ups import WorkerBell
from evalhaven.app.worker_watch import watcher_of
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.logs.finder import CallFinder
from evalhaven.logs.ingest.intake import CallIntake
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.meters.board import Board
from evalhaven.reports.worker_overviews import Watcher
from evalhaven.runs.accepting.eval_acceptance import EvalAcceptance
from evalhaven.runs.accepting.python_checks import PythonChecks
from evalhaven.runs.accepting.rerun_acceptance import RerunAcceptance
from evalhaven.runs.accepting.run_acceptance import RunAcceptance
from evalhaven.runs.ending.lifecycle import Lifecycle
from evalhaven.runs.ending.purge import sweep_blobs, sweep_hourly
from evalhaven.runs.executing.deaths import note_orderly_stop
from evalhaven.runs.resealing import explain_unreadable
from evalhaven.runs.telling import Teller, untraced
from evalhaven.sampling.catalog import Catalog
from evalhaven.sandbox.scratch import sweep_scratch
from evalhaven.settings import LOOPBACK_HOSTS, Settings, origin_of
from evalhaven.storage.database import Database, open_database
from evalhaven.webhooks.addresses import rules_of
from evalhaven.webhooks.deliverer import Deliverer
from evalhaven.webhooks.endpoints import Webhooks
from evalhaven.webhooks.sender import Sender, SenderOptions

if TYPE_CHECKING:
    from evalhaven.reports.comparing import Comparer
    from evalhaven.reports.item_choice import ItemChooser

_KEEP_ALIVE_S = 75
_GRACEFUL_SHUTDOWN_S = 3
_FINISHES_WITHIN_S = 3.0  # what runs have under way, on PostgreSQL
_SPANS_WITHIN_S = 2.0
_MB = 1024 * 1024
_WRITTEN_WITHIN_S = 3600.0
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def serve(settings: Settings, *, show_key: Callable[[str], None], has_worker: bool = True) -> None:
    """Run the server until it is told to stop: the API in this process, runs in the executor, logging in the recorder.

    Args:
        settings: Those of the command.
        show_key: Shows a key that is made at this start, and never again, to whoever started the server.
        has_worker: Whether it executes runs, too; on PostgreSQL, others can.

    Raises:
        StartError: The server cannot start.
    """
    # uvicorn shuts down cleanly and then raises the signal again: being told to stop is not a failure.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    close_to_neighbours()
    allow_many_connections()
    if not has_worker and settings.database_url is None:
        raise StartError(
            "Without a worker nothing would execute runs: others take part only in those of a PostgreSQL database. "
            "Name one in EVALHAVEN_DATABASE_URL, or leave out --no-worker."
        )
    catalog, tracing = open_catalog(settings), open_tracing(settings)
    log_catalog(catalog)
    listener = listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    lock = hold_data_directory(settings.data_dir)
    url = upgraded_database(settings)
    lock.announce(settings.local_url)
    board = Board()
    show_build(board)
    database = open_database(url, gives_way=False, board=board)
    executing = _executing_children(settings, database) if has_worker else []
    executor = Crew([Supervisor(child, lock.descriptor, board) for child in executing]) if executing else None
    logs = open_logs(settings, database, IdFactory(Clock()), lock.descriptor, board)
    token = leave_local_token(settings.data_dir, IdFactory(Clock()).new_secret(LOCAL_PREFIX))
    application = build_server_application(
        settings, database, executor, logs, catalog, Teller(board, tracing), show_key
    )
    application.state.services.door.trust_token(token)
    limits = ConnectionLimits(
        header_timeout_s=settings.header_timeout_s,
        body_grace_s=settings.body_grace_s,
        most=settings.max_connections or most_connections(),
    )
    config = uvicorn.Config(
        application,
        http=guarded_protocol(limits, IdFactory(Clock()).new_request_id),
        ws="none",
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # it would believe every process of this machine; api/forwarding.py asks who says it
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
    )
    structlog.get_logger("evalhaven").info("listening", url=settings.base_url, data_dir=str(settings.data_dir))
    gc.freeze()  # imported modules stay for the life of the process
    server = _Listener(config, executor)
    application.state.services.run_feed.end_when(lambda: server.should_exit)
    server.run(sockets=[listener])


def _executing_children(settings: Settings, database: Database) -> list[Child]:
    """Return what executes runs: on SQLite one executor, on PostgreSQL as many workers as the settings say."""
    if settings.database_url is None:
        return [Child("executor", "executes runs", executor_command(settings), partial(note_orderly_stop, database))]
    first = seat_of_directory(settings.data_dir)
    # One that waits for a database only as long as a worker does: the end of the server must not.
    leaving = open_database(database.url, is_worker=True)
    return [_worker_child(settings, leaving, seat_beside(first, number)) for number in range(settings.processes)]


def _worker_child(settings: Settings, leaving: Database, seat: str) -> Child:
    from evalhaven.runs.executing.shared.leaving import leave_seat_in_order  # noqa: PLC0415 - not needed with SQLite

    return Child(
        "executor",
        "executes runs",
        executor_command(settings, WorkerSeat(seat, finishes_within_s=_FINISHES_WITHIN_S)),
        lambda: leave_seat_in_order(leaving, seat),
        ends_within_s=_FINISHES_WITHIN_S + LEAVES_WITHIN_S,
    )


class _Listener(uvicorn.Server):
    """Listens until a signal comes; the second one ends what the first has left under way."""

    def __init__(self, config: uvicorn.Config, executor: Crew | None) -> None:
        super().__init__(config)
        self._executor = executor

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and self._executor is not None:
            self._executor.kill()
        super().handle_exit(sig, frame)


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket; with port 0 the system chooses the port.

    Raises:
        StartError: The address is in use, or is not this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise StartError(f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}.") from error
    return listener


def build_server_application(
    settings: Settings,
    database: Database,
    executor: Crew | None,
    logs: Logs,
    catalog: Catalog,
    teller: Teller,
    show_key: Callable[[str], None],
) -> FastAPI:
    """Return the API over an open database; it keeps executor and recorder alive for as long as it is served.

    Args:
        settings: Those of the server.
        database: Open.
        executor: Keeps the executor, or several workers, alive; None if only others execute runs.
        logs: Keeps the recorder alive.
        catalog: Which endpoint serves which model.
        teller: Tells those who watch what the server does.
        show_key: Shows a key that is made at this start.
    """
    wake_own = _wake_nobody if executor is None else executor.wake
    bell = None if settings.database_url is None else WorkerBell(database, wake_own)
    wake = wake_own if bell is None else bell.ring
    state = _is_elsewhere if executor is None else lambda: executor.state
    watcher = watcher_of(settings, executor)
    services = build_services(settings, database, catalog, logs, wake, state, watcher, teller)

    @asynccontextmanager
    async def lifespan(_application: FastAPI) -> AsyncGenerator[None]:
        await settle_access(settings, services, show_key)
        sweep_scratch()
        # What other servers and workers are just writing has no row yet either.
        spared_s = 0.0 if settings.database_url is None else _WRITTEN_WITHIN_S
        await sweep_blobs(database, services.blobs, spared_s=spared_s)
        async with services.gateway, anyio.create_task_group() as tasks:
            if executor is not None:
                tasks.start_soon(executor.supervise)
            if bell is not None:
                tasks.start_soon(bell.serve)
                tasks.start_soon(sweep_hourly, database, services.blobs, spared_s)
            tasks.start_soon(logs.serve)
            tasks.start_soon(services.replicas.serve)
            tasks.start_soon(services.readiness.serve)
            tasks.start_soon(services.work_meters.serve)
            tasks.start_soon(services.run_feed.serve)
            tasks.start_soon(services.deliver)
            tasks.start_soon(services.door.serve)
            # Not awaited: a request that creates something with a python grader waits for it then.
            tasks.start_soon(services.isolation.choose)
            await logs.wait_until_up()
            yield
            structlog.get_logger("evalhaven").info("stopping")
            await logs.drain()
            await services.replicas.leave()
            if teller.tracing is not None:
                await anyio.to_thread.run_sync(teller.tracing.flush, _SPANS_WITHIN_S)
            await services.door.note_uses()
            tasks.cancel_scope.cancel()
        # The executor is gone by now, and its hosts with it; it was not asked to clean up.
        sweep_scratch()
        await logs.store.close()
        await database.close()
        structlog.get_logger("evalhaven").info("stopped")

    return build_application(services, lifespan)


async def settle_access(settings: Settings, services: Services, show_key: Callable[[str], None]) -> None:
    """Make the first key where other machines reach the server, log out whom no provider knows any more, and say so.

    Args:
        settings: Those of this start.
        services: Those of the server.
        show_key: Shows the first key.
    """
    if not settings.is_local and not settings.expose_without_keys:
        await make_first_key(services, show_key)
    await log_out_others(services.database, settings.oidc_issuer)
    log = structlog.get_logger("evalhaven")
    if settings.public_url is None and settings.host in _EVERY_ADDRESS:
        log.warning(
            "public_url_missing",
            effect="requests from other machines are answered with 421",
            remedy="set EVALHAVEN_PUBLIC_URL to the address that users see",
        )
    if (unreadable := await explain_unreadable(services.database, vault(settings))) is not None:
        log.error("secrets_unreadable", reason=unreadable)
    if await services.door.needs_keys():
        log.info("access", needs="an API key for every request")
    elif settings.is_local:
        log.info("access", needs="nothing: there are no API keys, and only this machine reaches the server")
    else:
        log.warning("access", needs="nothing: there are no API keys, and everybody who reaches the server may do all")


def _wake_nobody() -> None:
    pass


def _is_elsewhere() -> ProcessState:
    return ProcessState("elsewhere")


def build_services(  # noqa: PLR0913, PLR0917 - whatever the two kinds of callers have differently
    settings: Settings,
    database: Database,
    catalog: Catalog,
    logs: Logs,
    wake_executor: Callable[[], None],
    executor_state: Callable[[], ProcessState],
    watcher: Callable[[], Watcher],
    teller: Teller,
) -> Services:
    """Return what the routes work with."""
    clock = Clock()
    blobs = blob_store(settings)
    cookies = cookies_of(blobs.identity())
    ids = IdFactory(clock)
    isolation = isolation_choice(settings)
    replicas = open_replicas(settings, database, logs)
    finder = CallFinder(logs.sender, logs.store, replicas.are_recording)
    python, sealer = PythonChecks(isolation), vault(settings)
    settle_logs = logs.sender.settle
    rules = rules_of(settings.webhook_allow_private)
    proxy = None if settings.webhook_proxy is None else settings.webhook_proxy.get_secret_value()
    webhook_sender = Sender(SenderOptions(rules, proxy), sealer, clock)
    deliverer = Deliverer(database, webhook_sender, clock, settings.base_url)
    board, tracing = teller.board, teller.tracing
    find_trace = untraced if tracing is None else tracing.current_traceparent
    submit_plan = None if settings.database_url is None else _plan_submitter()
    return Services(
        database=database,
        door=Door(database, clock, login_policy(settings, own_origins(settings), cookies)),
        logins=open_logins(settings, ids, clock, cookies),
        blobs=blobs,
        spool_dir=settings.data_dir,
        ids=ids,
        clock=clock,
        wake_executor=wake_executor,
        is_executor_running=lambda: executor_state().is_up,
        readiness=Readiness(
            database, blobs, clock, executor_state, watcher if executor_state().name == "elsewhere" else None
        ),
        watcher=watcher,
        examine=PacedExamination(partial(examine_server, settings, catalog, database, sealer), catalog).examine,
        settings=shown_settings(settings),
        catalog=catalog,
        log_store=logs.store,
        log_sender=logs.sender,
        log_intake=CallIntake(logs.store, Redaction.of(settings.log_redact), clock, settings.log_days),
        recorder_state=logs.recorder_state,
        call_finder=finder,
        replicas=replicas,
        config=ApiConfig(
            base_url=settings.base_url,
            list_order=settings.list_order,
            allowed_hosts=allowed_hosts(settings),
            allowed_origins=allowed_origins(settings),
            trusted_proxies=TrustedProxies(settings.trusted_proxies),
            has_own_https_host=has_own_https_host(settings),
            max_body_bytes=settings.max_body_mb * _MB,
            max_file_bytes=settings.max_file_mb * _MB,
            log_days=settings.log_days,
            log_max_gb=settings.log_max_gb,
            metrics_token=settings.metrics_token,
        ),
        dashboard=Dashboard(BUILT_PAGES),
        gateway=Gateway(
            GatewayConfig(settings.passes_calls_on, settings.log_calls, settings.max_body_mb * _MB),
            catalog,
            ids,
            clock,
            logs.sender,
            finder,
            teller,
        ),
        isolation=isolation,
        python_checks=python,
        evals=EvalAcceptance(database, ids, clock, python),
        runs=RunAcceptance(
            database, blobs, ids, clock, catalog, sealer, python, wake_executor, settle_logs, submit_plan, find_trace
        ),
        reruns=RerunAcceptance(database, ids, clock, catalog, sealer, python, wake_executor, find_trace),
        lifecycle=Lifecycle(database, clock, wake_executor, teller),
        comparer=cache(_comparer),
        item_chooser=cache(_item_chooser),
        run_feed=RunFeed(database, clock),
        webhooks=Webhooks(database, ids, clock, sealer, rules, webhook_sender, deliverer.wake),
        deliver=deliverer.serve,
        board=board,
        tracing=tracing,
        work_meters=WorkMeters(database, clock, board, settings.worker_lease_s),
    )


def _plan_submitter() -> Callable[[AsyncConnection, int], Awaitable[None]]:
    from evalhaven.storage.queue.jobs import submit_plan  # noqa: PLC0415 - loads a queue

    return submit_plan


def _comparer() -> "Comparer":
    from evalhaven.reports.comparing import Comparer  # noqa: PLC0415 - loads numpy

    return Comparer()


def _item_chooser() -> "ItemChooser":
    from evalhaven.reports.item_choice import ItemChooser  # noqa: PLC0415 - loads numpy

    return ItemChooser()


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the names under which this server may be addressed: loopback, the listener's and the public URL's."""
    names = {*LOOPBACK_HOSTS, "[::1]"}
    if settings.public_url is not None:
        names.add(urlsplit(settings.public_url).hostname or "")
    if settings.host not in _EVERY_ADDRESS:
        names.update((settings.host, f"[{settings.host}]"))
    return frozenset(name.lower() for name in names)


def allowed_origins(settings: Settings) -> frozenset[str]:
    """Return the origins whose pages may write: this server's own, and those of the setting."""
    return own_origins(settings).union(settings.allowed_origins or ())


def own_origins(settings: Settings) -> frozenset[str]:
    """Return the origins of this server's own pages."""
    names = {f"[{name}]" if ":" in name else name for name in (*LOOPBACK_HOSTS, settings.host)}
    own = {origin_of(f"http://{name}:{settings.port}") for name in names}
    if settings.public_url is not None:
        own.add(origin_of(settings.public_url))
    return frozenset(own)


def has_own_https_host(settings: Settings) -> bool:
    """Tell whether the public URL is HTTPS and has no path: below a path, the host has other pages, too."""
    parts = urlsplit(settings.public_url or "")
    return parts.scheme == "https" and not parts.path
