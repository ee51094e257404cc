"""The figures of a run as a JSON object."""

import msgspec

from evalhaven.cli.run_document import Limiter
from evalhaven.cli.run_figures import Figures
from evalhaven.domain.jsontext import JsonObject, JsonValue

_DECIMALS = 6


def render_json(figures: Figures) -> JsonObject:
    """Return figures as a JSON object; what does not apply to the run is null."""
    run = figures.run
    extension, counts, limiter = run.evalhaven, run.result_counts, run.evalhaven.limiter
    return {
        "at": figures.unix_s,
        "connected": True,
        "run_id": run.id,
        "eval_id": run.eval_id,
        "name": run.name,
        "model": run.model,
        "status": run.status.value,
        "done": figures.done,
        "planned": figures.planned,
        "fraction": _rounded(figures.fraction),
        "passed": counts.passed,
        "failed": counts.failed,
        "errored": counts.errored,
        "repeats": extension.repeats,
        "items_per_s": _rounded(figures.recent_per_s),
        "items_per_s_overall": _rounded(figures.overall_per_s),
        "eta_s": _rounded(figures.left_s),
        "elapsed_s": _rounded(figures.elapsed_s),
        "idle_s": _rounded(figures.idle_s),
        "tokens": _builtins(figures.usage),
        "cost": _rounded(figures.cost),
        "cost_by_role": _builtins(extension.cost),
        "budget": _builtins(extension.budget),
        "latency": _builtins(extension.latency),
        "retries": figures.retries,
        "retries_by_kind": None if limiter is None else dict(limiter.retries),
        "cache_hits": extension.cache_hits,
        "max_concurrency": extension.max_concurrency,
        "limiter": None if limiter is None else _limiter_object(limiter, figures),
        "errors": dict(extension.errors),
        "error": _builtins(run.error),
    }


def _limiter_object(limiter: Limiter, figures: Figures) -> JsonObject:
    told: JsonObject = msgspec.to_builtins(limiter)
    del told["retries"], told["judges"], told["embeddings"]
    return {
        **told,
        "unreachable": [msgspec.to_builtins(each) for each in figures.unreachable],
        "pause_left_s": _rounded(figures.pause_left_s),
        "changes": [msgspec.to_builtins(each) for each in figures.changes],
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, _DECIMALS)


def _builtins(part: msgspec.Struct | None) -> JsonValue:
    return None if part is None else msgspec.to_builtins(part)
