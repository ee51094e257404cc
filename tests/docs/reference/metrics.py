"""docs/reference/metrics.md, from the meters."""

from evalhaven.meters.declared import METERS
from tests.docs.reference.markdown import code, page, table

_INTRODUCTION = (
    "`GET /metrics` of a server, and of a worker with `--metrics-port`, has these metrics in the text form of "
    "Prometheus, or as OpenMetrics if the scraper asks for that. "
    "[Watch a server](../how-to/watch-a-server.md) says how they are scraped, shown and made into alerts."
)
_RULES = """
A server's metrics are about itself and all processes that it keeps alive; what those count reaches it within a second.
Counters and histograms only grow while the process that shows them lives. When a process behind it dies, up to a
second of its counts is lost, and the rest stays.

All projects are counted together, and no label names one. `model` and `endpoint` are names of the configuration or of
requests: each process tells the first 100 models apart, and calls all others `other`.
"""
_SHARED = (
    "`evalhaven_runs_active`, `evalhaven_chunks_pending`, `evalhaven_jobs`, `evalhaven_oldest_wait_seconds`, "
    "`evalhaven_workers` and `evalhaven_database_…` are facts about the database. Where several servers share one, all "
    "say the same: use `max`, not `sum`. They are read when somebody asks, at most once a second; a database that does "
    "not answer within a quarter of a second leaves the last values in place, and `evalhaven_database_up` at 0."
)


def render_metrics() -> str:
    """Return the page."""
    rows = [
        (
            code(meter.shown_name),
            meter.kind,
            ", ".join(map(code, meter.labels)) or "none",
            meter.says,
        )
        for meter in METERS
    ]
    buckets = [
        (code(meter.name), ", ".join(f"{bound:g}" for bound in meter.bounds)) for meter in METERS if meter.bounds
    ]
    return page(
        "Metrics",
        [
            _INTRODUCTION,
            *(" ".join(each.split()) for each in _RULES.strip().split("\n\n")),
            table(("metric", "kind", "labels", "what it says"), rows),
            _SHARED,
            "## Buckets",
            "A histogram has the series `…_bucket`, `…_sum` and `…_count`. Its buckets end at these seconds:",
            table(("histogram", "bounds"), buckets),
        ],
    )
