"""The one table of how large each proof is: reduced in `make check`, whole in `make soak`."""

import os
import secrets
from dataclasses import dataclass

IS_SOAK = os.environ.get("EVALHAVEN_SOAK") == "1"

# Every random choice of a proof comes from this seed, so a failure can be replayed with EVALHAVEN_SEED. Checks of a
# change make the same choices each time; a soak makes new ones.
SEED = int(os.environ.get("EVALHAVEN_SEED") or (secrets.randbelow(2**32) if IS_SOAK else 1))
# Processes that run tests side by side all take it from here.
os.environ["EVALHAVEN_SEED"] = str(SEED)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much each proof does.

    Args:
        kill_items: Items of the run whose server is killed again and again; over 32,000, or else its plan is stored in
            one transaction, which nothing can cut short.
        kills: SIGKILLs of the server while that run stores items.
        kill_gap_min: Fewest newly stored items between two kills.
        kill_gap_max: Most newly stored items between two kills.
        phase_kills: SIGKILLs in each other phase: validation, planning, and before the final status.
        executor_kills: SIGKILLs of the executor alone.
        schema_rows: Rows checked against a schema before a run starts.
        file_bytes: Size of the data file that must not fill a process's memory.
        delete_items: Items of the run that is deleted.
        page_items: Items that paging walks through completely.
        export_evals: Evals of the account that is exported.
        export_runs: Runs of these evals.
        export_items: Output items of these runs.
        export_kills: SIGKILLs of the export on the way.
        postgresql_restarts: Times that PostgreSQL is stopped and started during a run.
        faulty_items: Items of the run whose upstream fails in every way.
        upstream_gone_s: Seconds for which that upstream cannot be reached.
        sampled_kill_items: Items of the run that is killed while calls are under way.
        sampled_kills: SIGKILLs of server and executor in turn.
        judged_kill_items: Items of the run that is killed while models are asked and judges judge.
        judged_kills: SIGKILLs of server and executor in turn.
        outage_items: Items of the run whose upstream goes away for good, and which is tried again.
        rerun_kills: SIGKILLs of the server while that run is tried again, and while it is graded again.
        regraded_items: Items of the run that is graded again to see at which rate.
        examples: Examples of each property of code that is called directly.
        rounds: Repetitions of a race between two requests.
        hostile_requests: Requests of each kind of hostile input to each operation.
        managing_requests: The same to each operation that manages access or webhooks.
        hostile_size: Keys or elements of a large value in a body, or a tenth of its characters.
        hostile_runs: Evals of odd schemas, templates and rows that are run to their end.
        histories: Random histories of runs, each on a server of its own.
        history_steps: Steps of each history.
        python_items: Items of the run whose Python grader crashes now and then.
        generated_requests: Fewest requests generated from the published document, for each database.
        project_requests: Fewest requests generated for two projects of one server.
        generated_round: Share of a round of these that is sent at a time.
        project_round: Share of a round of requests that is sent at a time.
        grader_calls: Calls of a user's grader that crashes again and again.
        log_kills: SIGKILLs of a server that logs calls, and as many of its recorder.
        log_pause_s: Seconds for which its recorder is stopped.
        streams: Streams of answers through the gateway at once.
        stream_parts: Parts of each, 20 a second.
        chaos_rounds: Rounds of faults among servers, workers and their database.
        chaos_items: Items of the run of each round.
        releases: Simulated releases of each kind that the gate judges.
        shared_limit: Calls that four workers may have under way at once.
        shared_limit_items: Items of their run.
        file_kill_items: Items of the data of an eval file whose call is killed, for each of two variants.
        file_kills: SIGKILLs of the call, with its own server.
        proxied_bytes: Size of the file that is uploaded through a proxy.
        slow_connections: Connections at once that send a byte now and then.
        webhook_kills: SIGKILLs of a server whose webhooks fail, and half as many when they no longer do.
        upgrade_cuts_apart: Statements from one place where an upgrade is cut short to the next.
    """

    kill_items: int
    kills: int
    kill_gap_min: int
    kill_gap_max: int
    phase_kills: int
    executor_kills: int
    schema_rows: int
    file_bytes: int
    delete_items: int
    page_items: int
    export_evals: int
    export_runs: int
    export_items: int
    export_kills: int
    postgresql_restarts: int
    faulty_items: int
    upstream_gone_s: float
    sampled_kill_items: int
    sampled_kills: int
    judged_kill_items: int
    judged_kills: int
    outage_items: int
    rerun_kills: int
    regraded_items: int
    examples: int
    rounds: int
    hostile_requests: int
    managing_requests: int
    hostile_size: int
    hostile_runs: int
    histories: int
    history_steps: int
    generated_requests: int
    generated_round: float
    project_requests: int
    project_round: float
    python_items: int
    grader_calls: int
    log_kills: int
    log_pause_s: float
    streams: int
    stream_parts: int
    chaos_rounds: int
    chaos_items: int
    releases: int
    shared_limit: int
    shared_limit_items: int
    file_kill_items: int
    file_kills: int
    proxied_bytes: int
    slow_connections: int
    webhook_kills: int
    upgrade_cuts_apart: int


REDUCED = Sizes(
    kill_items=33_000,
    kills=3,
    kill_gap_min=500,
    kill_gap_max=1_500,
    phase_kills=1,
    executor_kills=1,
    schema_rows=20_000,
    file_bytes=50_000_000,
    delete_items=12_000,
    page_items=1_000,
    export_evals=6,
    export_runs=12,
    export_items=900,
    export_kills=2,
    postgresql_restarts=3,
    faulty_items=1_000,
    upstream_gone_s=3.0,
    sampled_kill_items=2_000,
    sampled_kills=2,
    judged_kill_items=800,
    judged_kills=2,
    outage_items=500,
    rerun_kills=2,
    regraded_items=3_000,
    examples=40,
    rounds=10,
    hostile_requests=3,
    managing_requests=1,
    hostile_size=30_000,
    hostile_runs=15,
    histories=1,
    history_steps=12,
    generated_requests=250,
    generated_round=0.5,
    project_requests=200,
    project_round=0.15,
    python_items=5_000,
    grader_calls=10_000,
    log_kills=3,
    log_pause_s=2.0,
    streams=40,
    stream_parts=60,
    chaos_rounds=2,
    chaos_items=2_500,
    releases=4_000,
    shared_limit=30,
    shared_limit_items=8_000,
    file_kill_items=400,
    file_kills=2,
    proxied_bytes=20_000_000,
    slow_connections=1_000,
    webhook_kills=2,
    upgrade_cuts_apart=50,
)

FULL = Sizes(
    kill_items=50_000,
    kills=20,
    kill_gap_min=500,
    kill_gap_max=4_000,
    phase_kills=3,
    executor_kills=3,
    schema_rows=100_000,
    file_bytes=1_000_000_000,
    delete_items=1_000_000,
    page_items=10_000,
    export_evals=200,
    export_runs=1_000,
    export_items=100_000,
    export_kills=20,
    postgresql_restarts=10,
    faulty_items=50_000,
    upstream_gone_s=60.0,
    sampled_kill_items=50_000,
    sampled_kills=20,
    judged_kill_items=20_000,
    judged_kills=10,
    outage_items=20_000,
    rerun_kills=10,
    regraded_items=100_000,
    examples=1000,
    rounds=200,
    hostile_requests=60,
    managing_requests=60,
    hostile_size=1_000_000,
    hostile_runs=150,
    histories=8,
    history_steps=100,
    generated_requests=51_000,
    generated_round=1.0,
    project_requests=100_000,
    project_round=1.0,
    python_items=100_000,
    grader_calls=100_000,
    log_kills=20,
    log_pause_s=5.0,
    streams=200,
    stream_parts=1_200,
    chaos_rounds=100,
    chaos_items=5_000,
    releases=40_000,
    shared_limit=300,
    shared_limit_items=100_000,
    file_kill_items=3_000,
    file_kills=20,
    proxied_bytes=1_000_000_000,
    slow_connections=10_000,
    webhook_kills=20,
    upgrade_cuts_apart=1,
)

SIZES = FULL if IS_SOAK else REDUCED
