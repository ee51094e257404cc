"""What the `evalhaven` keys of responses say about grades, errors, and the origin of a run's samples."""

from dataclasses import asdict

from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError, Sample


def grade_extension(grade: Grade) -> JsonObject:
    """Return what the `evalhaven` key of a result adds about a grade; empty if there is nothing to add."""
    more: JsonObject = {}
    if grade.judge is not None:
        more["judge"] = grade.judge
    if grade.calls:
        more["calls"] = [call_extension(call) for call in grade.calls]
    if grade.unresolved:
        more["unresolved"] = list(grade.unresolved)
    if grade.notes:
        more["notes"] = list(grade.notes)
    # A fault of the user's code scores 0, an error has no score; the origin tells them apart.
    error = grade.error or grade.fault
    if error is not None:
        more["error"] = error_extension(error)
    if grade.output:
        more["output"] = grade.output
    if grade.parts:
        more["parts"] = {
            name: {"score": part.score, "sample": part.sample, **grade_extension(part)} for name, part in grade.parts
        }
    return more


def call_extension(call: Sample) -> JsonObject:
    """Return what the `evalhaven` key of a result says about the call to its judge."""
    told: JsonObject = {"model": call.model, **call_figures(call)}
    return {**told, "notes": list(call.notes)} if call.notes else told


def call_figures(sample: Sample) -> JsonObject:
    """Return what a call to a model took and cost."""
    return {
        "latency_ms": sample.latency_ms,
        "cost": sample.cost,
        "attempts": sample.attempts,
        "cached": sample.is_cached,
        "reasoning_tokens": sample.usage.reasoning_tokens,
    }


def error_extension(error: ItemError) -> JsonObject:
    """Return all that is known about an error; the contract shows its code and message only."""
    return asdict(error)


def origin_extension(run: Run, parent: Eval) -> JsonObject:
    """Return whose samples a run grades, by which criteria, and how many times it was retried."""
    regrading = run.regrading
    regraded: JsonObject | None = None
    if regrading is not None:
        regraded = {
            "run_id": regrading.run_id,
            "status": regrading.status,
            "times_retried": regrading.times_retried,
            "imported_from": regrading.origin,
            "criteria": "eval" if run.own_criteria is None else "request",
            "testing_criteria": list[JsonValue](run.criteria(parent).json),
        }
    return {"times_retried": run.times_retried, "regraded": regraded}
