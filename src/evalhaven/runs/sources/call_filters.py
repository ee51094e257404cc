"""Which logged calls a run reads: those that satisfy its source and its eval."""

from dataclasses import replace

from evalhaven.domain import jsontext
from evalhaven.domain.documents import Unparsed
from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind
from evalhaven.runs.engine import UnsupportedRunError
from evalhaven.wire.data_source_configs import EvalCustomDataSourceConfig
from evalhaven.wire.data_sources import EvalResponsesSource, EvalStoredCompletionsSource

LoggedSource = EvalStoredCompletionsSource | EvalResponsesSource
"""The sources whose rows are logged calls."""

_NAMES = {CallKind.CHAT: "stored chat completion", CallKind.RESPONSE: "stored response"}
_SHOWN_CHARS = 400


def call_filter(source: LoggedSource, parent: Eval) -> CallFilter:
    """Return what a run's source and its eval's config ask of calls, both together.

    Raises:
        InvalidRowsError: They ask for different values of one key of the metadata, so that no call can satisfy both.
        UnsupportedRunError: The eval's config does not parse.
    """
    own = source.metadata or {}
    inherited = _metadata_of(parent)
    for key in own.keys() & inherited.keys():
        if jsontext.canonical_hash(own[key]) != jsontext.canonical_hash(inherited[key]):
            raise InvalidRowsError(
                f"No call can match: the eval takes calls whose metadata {key!r} is {_shown(inherited[key])}, the "
                f"run's source those where it is {_shown(own[key])}. Leave it out of the source, or use another eval."
            )
    wanted = CallFilter(
        metadata={**inherited, **own},
        model=source.model or None,
        created_after=source.created_after,
        created_before=source.created_before,
    )
    if isinstance(source, EvalStoredCompletionsSource):
        return replace(wanted, kind=CallKind.CHAT)
    return replace(
        wanted,
        kind=CallKind.RESPONSE,
        instructions_search=source.instructions_search or None,
        reasoning_effort=source.reasoning_effort,
        temperature=source.temperature,
        top_p=source.top_p,
        users=source.users or None,
        tools=source.tools or None,
    )


def no_match(source: LoggedSource, parent: Eval) -> InvalidRowsError:
    """Return the error of a run whose filters select nothing."""
    kind = CallKind.CHAT if isinstance(source, EvalStoredCompletionsSource) else CallKind.RESPONSE
    asked = {key: value for key, value in source.sent.items() if key not in ("type", "limit") and value is not None}
    inherited = _metadata_of(parent)
    wanted = [f"the source asks for {_shown(asked)}"] if asked else []
    wanted += [f"the eval for metadata {_shown(inherited)}"] if inherited else []
    which = f"no {_NAMES[kind]} matches ({', '.join(wanted)})" if wanted else f"there is no {_NAMES[kind]}"
    how = "with 'store': true" if kind is CallKind.CHAT else "without 'store': false"
    return InvalidRowsError(
        f"The run has no items: {which}. A call is stored if it is made through this server {how}, or imported."
    )


def _metadata_of(parent: Eval) -> JsonObject:
    config = parent.data_source_config.parsed
    if isinstance(config, Unparsed):
        raise UnsupportedRunError(f"This release of Evalhaven cannot read the eval's config: {config.problem}")
    return {} if isinstance(config, EvalCustomDataSourceConfig) else config.metadata or {}


def _shown(value: object) -> str:
    text = jsontext.render(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
