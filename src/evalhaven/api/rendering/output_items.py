"""Output items on the wire."""

from evalhaven.api.rendering.extensions import grade_extension
from evalhaven.api.rendering.parts import shown_error
from evalhaven.api.rendering.spending import item_extension
from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria, Criterion
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import Sample


def output_item_text(item: OutputItem, run: Run, criteria: Criteria) -> str:
    """Return the JSON text of an output item; the item is in it as the user wrote it."""
    if item.imported_text is not None:
        return f'{item.imported_text[:-1]},"datasource_item":{item.item_text}}}'
    head = {
        "object": "eval.run.output_item",
        "id": item.id,
        "created_at": item.created_at,
        "run_id": run.id,
        "eval_id": run.eval_id,
        "status": item.status.wire,
        "datasource_item_id": item.position,
    }
    tail = {
        "results": [_result(grade, criterion) for grade, criterion in zip(item.grades, criteria, strict=False)],
        "sample": _sample(item.sample, run),
        "_datasource_item_content_hash": item.item_hash.hex(),
        "evalhaven": {"repeat": item.repeat, "item_hash": item.item_hash.hex(), **item_extension(item)},
    }
    return f'{jsontext.render(head)[:-1]},"datasource_item":{item.item_text},{jsontext.render(tail)[1:]}'


def _result(grade: Grade, criterion: Criterion) -> JsonObject:
    result: JsonObject = {
        "name": criterion.id,
        "type": f"{criterion.type.replace('_', '-')}-grader",
        "score": grade.score,
        "passed": grade.passed,
        "sample": grade.sample,
    }
    more = grade_extension(grade)
    return {**result, "evalhaven": more} if more else result


def _sample(sample: Sample, run: Run) -> JsonObject:
    return {
        "input": sample.input,
        "output": sample.output,
        "finish_reason": sample.finish_reason,
        "model": sample.model,
        "usage": sample.usage.to_json(),
        "error": shown_error(sample.error),
        **_parameters(run),
    }


def _parameters(run: Run) -> JsonObject:
    """Return the parameters that a run's samples show: those sent, and defaults for the rest."""
    sent = {key: value for key, value in run.data_source.sampling_params.items() if value is not None}
    shown: JsonObject = {
        "temperature": sent.get("temperature", 1.0),
        "max_completion_tokens": sent.get("max_completion_tokens", sent.get("max_completions_tokens")),
        "top_p": sent.get("top_p", 1.0),
        "seed": sent.get("seed"),
    }
    return {**shown, **{key: sent[key] for key in ("max_completions_tokens", "reasoning_effort") if key in sent}}
