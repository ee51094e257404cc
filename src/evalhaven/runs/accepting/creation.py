"""A new run made from a request, and what its author has to be told."""

from collections.abc import Sequence
from dataclasses import asdict

from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Caution, Eval, typed_messages
from evalhaven.domain.ids import FileId, RunId, created_at_of
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.run_options import DEFAULT_OPTIONS, Budget, RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.template_checks import bounded_cautions
from evalhaven.domain.tool_secrets import masked
from evalhaven.wire.data_sources import (
    CreateEvalJsonlRunDataSource,
    EvalJsonlFileContentSource,
    EvalJsonlFileIdSource,
    RunDataSource,
)
from evalhaven.wire.extension import CreateEvalRunExtension
from evalhaven.wire.messages import InputMessagesTemplate

_OF_SAMPLING = ("repeats", "extra_body")
_OF_CALLS = ("cache", "max_concurrency", "budget")
_FLOATS = ("temperature", "top_p")
_SHOWN_CHARS = 100


def new_run(
    run_id: RunId,
    parent: Eval,
    scope: ProjectScope,
    *,
    name: str | None,
    metadata: dict[str, str],
    data_source: RunDataSource,
    warnings: Sequence[Caution],
) -> Run:
    """Return a queued run.

    Args:
        run_id: Its new id.
        parent: The eval it belongs to.
        scope: The project of both.
        name: As sent; None names the run after its model, or after its eval if it has no model.
        metadata: As sent.
        data_source: As sent and validated, without inline rows.
        warnings: What in the request will have no effect.
    """
    source = data_source.source
    answered = answered_data_source(data_source)
    sampled = answered.sampled
    model = "" if sampled is None or sampled.model is None else sampled.model
    return Run(
        id=run_id,
        eval_id=parent.id,
        eval_key=parent.key,
        scope=scope,
        created_at=created_at_of(run_id),
        name=name if name is not None else model or parent.name,
        model=model,
        metadata=metadata,
        data_source=answered,
        has_inline_rows=isinstance(source, EvalJsonlFileContentSource),
        file_id=FileId(source.id) if isinstance(source, EvalJsonlFileIdSource) else None,
        warnings=warnings,
    )


def option_cautions(options: RunOptions, *, is_sampled: bool, is_judged: bool = False) -> list[Caution]:
    """Return a caution for each option that has no effect because the run samples nothing.

    Args:
        options: The options that were sent.
        is_sampled: Whether the run's own model is called.
        is_judged: Whether models are called to grade.
    """
    if is_sampled:
        return []
    without_effect = _OF_SAMPLING if is_judged else (*_OF_SAMPLING, *_OF_CALLS)
    asked = asdict(options)
    default = asdict(DEFAULT_OPTIONS)
    return [
        Caution(f"/evalhaven/{key}", "has no effect: the run has no 'model', so it samples nothing.")
        for key in without_effect
        if asked[key] != default[key]
    ]


def answered_data_source(sent: RunDataSource) -> DataSource:
    """Return a data source as it is stored and answered.

    Source: recorded runs. Messages get their type, a sampling run its `sampling_params` (null when not sent), and
    the two parameters that are floating-point numbers are answered as such. Secrets of tools are masked.
    """
    answered = masked(sent.sent)
    if isinstance(sent, CreateEvalJsonlRunDataSource):
        return DataSource(answered)
    messages, params = sent.input_messages, sent.sampling_params
    if isinstance(messages, InputMessagesTemplate):
        answered["input_messages"] = {**messages.sent, "template": typed_messages(messages.template)}
    answered["sampling_params"] = (
        None if params is None else {key: _answered_parameter(key, value) for key, value in masked(params.sent).items()}
    )
    return DataSource(answered)


def _answered_parameter(key: str, value: JsonValue) -> JsonValue:
    if key in _FLOATS and isinstance(value, int):
        return float(value)
    return value


def unknown_key_cautions(pointers: Sequence[str]) -> list[Caution]:
    """Return a caution for each key that the contract does not know.

    The hosted API ignored such keys silently, so they are accepted here too.
    """
    return bounded_cautions(
        Caution(pointer, f"Unknown key {pointer.rpartition('/')[2][:_SHOWN_CHARS]!r}: accepted, but without effect.")
        for pointer in pointers
    )


def run_options(asked: CreateEvalRunExtension | None) -> RunOptions:
    """Return what a request asks of Evalhaven for a run."""
    if asked is None:
        return DEFAULT_OPTIONS
    budget = asked.budget
    return RunOptions(
        repeats=asked.repeats or 1,
        cache=asked.cache or False,
        max_concurrency=asked.max_concurrency,
        extra_body=asked.extra_body,
        budget=None if budget is None else Budget(budget.cost, budget.tokens),
        labels=tuple(asked.labels or ()),
    )


def refuse_cautions(cautions: Sequence[Caution], *, strict: bool) -> None:
    """Refuse a request that has cautions, if its caller asked for that.

    Raises:
        InvalidRequestError: `strict` is set and there are cautions; the first is given.
    """
    if strict and cautions:
        first = cautions[0]
        param = first.pointer.removeprefix("/").replace("/", ".")
        raise InvalidRequestError(f"'{param}': {first.message}", param=param, code="unresolvable_template")
