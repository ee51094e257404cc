"""The commands."""

import gc
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from evalhaven import __version__
from evalhaven.cli.audit import EPILOG as AUDIT_EPILOG
from evalhaven.cli.audit import audit
from evalhaven.cli.common_options import Config, DataDir, ServedDataDir, Url, prefer_command_line
from evalhaven.cli.compare import EPILOG as COMPARE_EPILOG
from evalhaven.cli.compare import compare
from evalhaven.cli.completion import completion, prepare_completion
from evalhaven.cli.convert import convert_commands
from evalhaven.cli.eval_commands import eval_commands
from evalhaven.cli.export import EPILOG as EXPORT_EPILOG
from evalhaven.cli.export import export
from evalhaven.cli.export_hosted import export_hosted
from evalhaven.cli.gate import EPILOG as GATE_EPILOG
from evalhaven.cli.gate import gate
from evalhaven.cli.grader_commands import grader_commands
from evalhaven.cli.groups import AllCommands
from evalhaven.cli.import_commands import import_commands
from evalhaven.cli.init import EPILOG as INIT_EPILOG
from evalhaven.cli.init import init
from evalhaven.cli.item_commands import item_commands
from evalhaven.cli.key_commands import key_commands
from evalhaven.cli.limit_commands import limit_commands
from evalhaven.cli.log_commands import log_commands
from evalhaven.cli.plan import EPILOG as PLAN_EPILOG
from evalhaven.cli.plan import plan
from evalhaven.cli.project_commands import project_commands
from evalhaven.cli.report import EPILOG as REPORT_EPILOG
from evalhaven.cli.report import report
from evalhaven.cli.run_actions import EPILOG as ACTION_EPILOG
from evalhaven.cli.run_actions import pin, regrade, retry, unpin
from evalhaven.cli.run_commands import run_commands
from evalhaven.cli.run_file import EPILOG as RUN_EPILOG
from evalhaven.cli.run_file import run
from evalhaven.cli.schema import schema
from evalhaven.cli.secret_commands import secret_commands
from evalhaven.cli.shell import (
    EXIT_INTERRUPTED,
    EXIT_TOOL,
    fail,
    mistakes_decide_nothing,
    read_settings,
    reader_may_leave,
    show_first_key,
)
from evalhaven.cli.watch import EPILOG as WATCH_EPILOG
from evalhaven.cli.watch import watch
from evalhaven.cli.webhook_commands import webhook_commands

application = typer.Typer(
    name="evalhaven",
    cls=AllCommands,
    help="The OpenAI Evals API as software that anyone can run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Sub-commands inherit this.
    context_settings={"help_option_names": ["-h", "--help"]},
)
database_commands = typer.Typer(help="Manage the database.", no_args_is_help=True)
application.add_typer(database_commands, name="db")
application.command("export-hosted")(export_hosted)
application.add_typer(import_commands, name="import")
application.add_typer(convert_commands, name="convert")
application.add_typer(grader_commands, name="graders")
application.add_typer(log_commands, name="logs")
application.add_typer(key_commands, name="keys")
application.add_typer(limit_commands, name="limits")
application.command("audit", epilog=AUDIT_EPILOG)(audit)
application.add_typer(project_commands, name="projects")
application.add_typer(webhook_commands, name="webhooks")
application.add_typer(secret_commands, name="secrets")
application.command("watch", epilog=WATCH_EPILOG)(watch)
application.command("compare", epilog=COMPARE_EPILOG)(compare)
application.command("export", epilog=EXPORT_EPILOG)(export)
application.command("report", epilog=REPORT_EPILOG)(report)
application.command("gate", epilog=GATE_EPILOG)(gate)
application.command("plan", epilog=PLAN_EPILOG)(plan)
application.add_typer(eval_commands, name="evals")
application.add_typer(run_commands, name="runs")
application.add_typer(item_commands, name="items")
application.command("retry", epilog=ACTION_EPILOG)(retry)
application.command("regrade", epilog=ACTION_EPILOG)(regrade)
application.command("pin", epilog=ACTION_EPILOG)(pin)
application.command("unpin", epilog=ACTION_EPILOG)(unpin)
application.command("init", epilog=INIT_EPILOG)(init)
application.command("run", epilog=RUN_EPILOG)(run)
application.command("schema")(schema)
application.command("completion")(completion)

_COLLECT_AFTER = (50_000, 20, 50)

Host = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Address to listen on (EVALHAVEN_HOST); default: 127.0.0.1."),
]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", help="Port to listen on (EVALHAVEN_PORT); default: 8765. With 0 the system chooses one."
    ),
]


def main() -> None:
    """Run the command line."""
    # Imported modules stay: collecting garbage among them would take a quarter of the startup time. And with a thousand
    # calls in flight, the executor would spend a third of its time looking through what waits for answers.
    gc.set_threshold(*_COLLECT_AFTER)
    prepare_completion()
    # A shell may have closed it (`>&-`).
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the process ends
    with mistakes_decide_nothing(), reader_may_leave(EXIT_TOOL):
        application()


@application.callback(invoke_without_command=True)
def show_version(
    *, version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False
) -> None:
    """The OpenAI Evals API as software that anyone can run."""
    if version:
        print(f"evalhaven {__version__}")
        raise typer.Exit


@application.command()
def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    config: Config = None,
    *,
    expose_without_keys: Annotated[
        bool,
        typer.Option(
            "--expose-without-keys",
            help="Leave a server open that others reach, beyond loopback or through a proxy, if there are no API keys. "
            "Everybody who reaches it can read, change and delete everything.",
        ),
    ] = False,
    no_worker: Annotated[
        bool,
        typer.Option(
            "--no-worker",
            help="Leave runs to the workers that are started with `evalhaven worker` (PostgreSQL only); default: the "
            "server executes runs, too, beside any workers.",
        ),
    ] = False,
) -> None:
    """Run the server: the API, the pages and the executor of runs.

    The first start on an address other than loopback makes an admin key and shows it once.
    """
    from evalhaven.app.server import serve as run_server
    from evalhaven.app.stores import StartError
    from evalhaven.telemetry import configure_logging

    settings = read_settings(
        host=host, port=port, data_dir=data_dir, config=config, expose_without_keys=expose_without_keys or None
    )
    configure_logging(settings.log_level, settings.log_format)
    try:
        run_server(settings, show_key=show_first_key, has_worker=not no_worker)
    except StartError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)


@application.command()
def worker(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory of the uploaded files and inline rows, which is the server's (EVALHAVEN_DATA_DIR; "
            "EVALHAVEN_SHARED_DIR wins); default: ./evalhaven-data.",
        ),
    ] = None,
    config: Config = None,
    concurrency: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Most chunks of runs that each process executes at once; default: 64."),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=64,
            help="Processes that execute chunks beside each other, each a worker of its own "
            "(EVALHAVEN_SAMPLING_PROCESSES); default: by the number of processors.",
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=1,
            max=65535,
            help="Show this worker's metrics at /metrics on this port; default: nowhere.",
        ),
    ] = None,
    metrics_host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address of this port. Beyond loopback it needs EVALHAVEN_METRICS_TOKEN.",
        ),
    ] = "127.0.0.1",
) -> None:
    """Execute parts of runs, beside the server and other workers, on any machine (PostgreSQL only).

    EVALHAVEN_DATABASE_URL names the database. Files, endpoints and EVALHAVEN_WORKER_LEASE_S have to be the servers'.

    SIGTERM or Ctrl-C: it finishes what is under way for 10 seconds, and hands back the rest. A second one: at once.
    """
    from evalhaven.app.metrics_port import MetricsAddress
    from evalhaven.app.stores import StartError
    from evalhaven.app.worker import work
    from evalhaven.telemetry import configure_logging

    metrics = None if metrics_port is None else MetricsAddress(metrics_host, metrics_port)
    settings = read_settings(data_dir=data_dir, config=config)
    configure_logging(settings.log_level, settings.log_format)
    try:
        work(settings, concurrency, processes, metrics)
    except StartError as error:
        fail(str(error))


@application.command("own-server", hidden=True)
def own_server(
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the database and files.")],
    parent: Annotated[int, typer.Option(metavar="PROCESS", help="Number of the command's process.")],
    config: Config = None,
) -> None:
    """Run the server of a single command, with which it ends; `run` starts it."""
    from evalhaven.app.own_server import end_with_parent
    from evalhaven.app.server import serve as run_server
    from evalhaven.app.stores import StartError
    from evalhaven.telemetry import configure_logging

    end_with_parent(parent)
    settings = read_settings(host="127.0.0.1", port=0, data_dir=data_dir, config=config)
    configure_logging(settings.log_level, settings.log_format)
    try:
        run_server(settings, show_key=show_first_key)
    except StartError as error:
        fail(str(error))


@application.command(hidden=True)
def executor(
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the database and files.")],
    parent: Annotated[int, typer.Option(metavar="PROCESS", help="Number of the server's process.")],
    config: Config = None,
    seat: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where it sits among several workers; default: it is the only one."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(metavar="N", help="Most chunks that are executed at once; default: 64.")
    ] = None,
    finish: Annotated[
        float, typer.Option(metavar="SECONDS", help="For what is under way when it is told to end; default: 0.")
    ] = 0.0,
) -> None:
    """Run the executor of a server; `serve` and `worker` start it."""
    from evalhaven.app.executor import execute_runs
    from evalhaven.app.seats import WorkerSeat
    from evalhaven.app.stores import StartError
    from evalhaven.telemetry import configure_logging

    settings = read_settings(data_dir=data_dir, config=config)
    configure_logging(settings.log_level, settings.log_format)
    try:
        execute_runs(settings, parent, None if seat is None else WorkerSeat(seat, concurrency, finish))
    except StartError as error:
        fail(str(error))


@application.command(hidden=True)
def sampler(
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the database and files.")],
    parent: Annotated[int, typer.Option(metavar="PROCESS", help="Number of the executor's process.")],
    processes: Annotated[int, typer.Option(metavar="N", help="Sampling processes that the executor has.")],
    config: Config = None,
) -> None:
    """Run a sampling process of an executor, which starts it."""
    from evalhaven.app.sampler import sample
    from evalhaven.app.stores import StartError
    from evalhaven.telemetry import configure_logging

    settings = read_settings(data_dir=data_dir, config=config)
    configure_logging(settings.log_level, settings.log_format)
    try:
        sample(settings, parent, processes)
    except StartError as error:
        fail(str(error))


@application.command(hidden=True)
def recorder(
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the database and files.")],
    parent: Annotated[int, typer.Option(metavar="PROCESS", help="Number of the server's process.")],
    calls: Annotated[int, typer.Option(metavar="FILE", help="Number of the open socket on which calls come.")],
) -> None:
    """Run the recorder of a server, which stores logged calls; `serve` starts it."""
    from evalhaven.app.recorder import record_calls
    from evalhaven.app.stores import StartError
    from evalhaven.telemetry import configure_logging

    settings = read_settings(data_dir=data_dir)
    configure_logging(settings.log_level, settings.log_format)
    try:
        record_calls(settings, parent, calls)
    except StartError as error:
        fail(str(error))


@application.command()
def demo(
    *, exit_when_done: Annotated[bool, typer.Option("--exit", help="Stop when the results are shown.")] = False
) -> None:
    """Run the example on a server of its own, from upload to results. The server stays up until Ctrl-C."""
    from rich.console import Console

    from evalhaven.cli.demo import demo as run_demo

    raise typer.Exit(run_demo(exit_when_done, Console()))


@application.command()
def doctor(url: Url = None, data_dir: ServedDataDir = None, config: Config = None) -> None:
    """Show the settings in effect, and check the database, the disk, the endpoints of models and the optional parts.

    If a server is running, the report is about that server, and the server asks its endpoints itself.

    Exit status: 0 all is well, 1 something needs attention.
    """
    from rich.console import Console

    from evalhaven.cli.doctor import examine

    settings = prefer_command_line(read_settings(url=url, data_dir=data_dir, config=config), data_dir, url)
    raise typer.Exit(examine(settings, Console(), has_own_config=config is not None))


@database_commands.command("upgrade")
def upgrade(data_dir: DataDir = None) -> None:
    """Upgrade the database to this release. `serve` and `worker` do so by themselves.

    On PostgreSQL, servers and workers of the release before may be at work meanwhile, and go on afterwards.
    """
    from sqlalchemy.exc import DBAPIError

    from evalhaven.app.stores import StartError, database_url, hold_data_directory
    from evalhaven.app.upgrade import upgraded_database
    from evalhaven.storage.revisions import schema_revisions

    settings = read_settings(data_dir=data_dir)
    try:
        lock = hold_data_directory(settings.data_dir, wait_s=0)
        before, wanted = schema_revisions(database_url(settings))
        upgraded_database(settings)
        after, _ = schema_revisions(database_url(settings))
    except StartError as error:
        fail(str(error))
    except DBAPIError as error:
        fail(f"The database cannot be opened: {str(error.orig).strip()}")
    lock.release()
    newer = "" if after == wanted else f"; this release made {wanted}, and can use it"
    print(f"The database is at revision {after} (it was at {before or 'none'}){newer}.")
