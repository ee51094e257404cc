"""A new run from a request."""

from collections.abc import Sequence

from evalhaven.domain.evals import Caution, Eval, typed_messages
from evalhaven.domain.ids import FileId, RunId, created_at_of
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope

MASK = "***"
_FLOATS = ("temperature", "top_p")


def new_run(
    run_id: RunId,
    parent: Eval,
    scope: ProjectScope,
    *,
    name: str | None,
    metadata: dict[str, str],
    data_source: JsonObject,
    warnings: Sequence[Caution],
) -> Run:
    """Return a queued run.

    Args:
        run_id: Its new id.
        parent: The eval it belongs to.
        scope: The project of both.
        name: As sent; without one the run is named after its model, else after its eval.
        metadata: As sent.
        data_source: As sent and validated, inline rows left out.
        warnings: What of the request will have no effect.
    """
    source = data_source["source"]
    kind = source["type"] if isinstance(source, dict) else None
    model = str(data_source.get("model") or "")
    return Run(
        id=run_id,
        eval_id=parent.id,
        eval_key=parent.key,
        scope=scope,
        created_at=created_at_of(run_id),
        name=name if name is not None else model or parent.name,
        model=model,
        metadata=metadata,
        data_source=answered_data_source(data_source),
        has_inline_rows=kind == "file_content",
        file_id=FileId(str(source["id"])) if isinstance(source, dict) and kind == "file_id" else None,
        warnings=warnings,
    )


def answered_data_source(sent: JsonObject) -> JsonObject:
    """Return a data source as it is stored and answered.

    Source: recorded runs. Messages get their type, a sampling run its `sampling_params` (null when not sent), and
    the two parameters that are numbers with fractions are answered as such.
    """
    answered = dict(sent)
    messages = sent.get("input_messages")
    if isinstance(messages, dict) and "template" in messages:
        answered["input_messages"] = {**messages, "template": typed_messages(messages["template"])}
    if sent["type"] != "jsonl":
        params = sent.get("sampling_params")
        answered["sampling_params"] = (
            {key: _answered_parameter(key, value) for key, value in params.items()}
            if isinstance(params, dict)
            else None
        )
    return answered


def _answered_parameter(key: str, value: JsonValue) -> JsonValue:
    if key in _FLOATS and isinstance(value, int):
        return float(value)
    return [_without_secrets(tool) for tool in value] if key == "tools" and isinstance(value, list) else value


def _without_secrets(tool: JsonValue) -> JsonValue:
    """Return a tool with what authenticates it masked; nothing here calls a model, so secrets are not even kept."""
    if not isinstance(tool, dict) or tool.get("type") == "function":
        return tool
    answered = dict(tool)
    if answered.get("authorization") is not None:
        answered["authorization"] = MASK
    headers = answered.get("headers")
    if isinstance(headers, dict):
        answered["headers"] = dict.fromkeys(headers, MASK)
    for key in ("container", "environment"):
        place = answered.get(key)
        policy = place.get("network_policy") if isinstance(place, dict) else None
        if isinstance(place, dict) and isinstance(policy, dict):
            answered[key] = {**place, "network_policy": _policy_without_secrets(policy)}
    return answered


def _policy_without_secrets(policy: JsonObject) -> JsonObject:
    secrets = policy.get("domain_secrets")
    if not isinstance(secrets, list):
        return policy
    masked = [{**each, "value": MASK} if isinstance(each, dict) else each for each in secrets]
    return {**policy, "domain_secrets": masked}
