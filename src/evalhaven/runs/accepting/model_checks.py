"""Whether the models that a run calls, its own and its graders', can be asked what the run asks."""

from dataclasses import replace

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.grader_parts import compares_embeddings, walk_criteria
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.run_formats import format_of
from evalhaven.domain.run_options import RunOptions
from evalhaven.domain.runs import Run
from evalhaven.graders.judges.grader import prompt_of
from evalhaven.runs.accepting.creation import option_cautions
from evalhaven.runs.tool_secrets import refuse_secrets
from evalhaven.sampling.catalog import Catalog, Target, UnknownModelError
from evalhaven.sampling.protocols.requests import UnsupportedRequestError, compile_judge, compile_sampling
from evalhaven.wire.graders import GraderLabelModel, GraderScoreModel
from evalhaven.wire.requests import format_param

# A score and a label can be asked for under the same conditions.
_ANY_FORMAT: JsonObject = {
    "type": "json_schema",
    "json_schema": {"name": "any", "schema": {"type": "object"}, "strict": True},
}

_OR_ZERO = " (of 0 if the application reports its `cost`)"
_OLD_CODE = (
    "{0!r} is an application: an answer that it gave to the same item is taken again even if its code has changed "
    "since. Leave `cache` out to try new code."
)


def checked_run(run: Run, parent: Eval, catalog: Catalog, asked: RunOptions) -> Run:
    """Return a run with what its author has to be told of its models and options, and what its workers have to know.

    Raises:
        InvalidRequestError: One of its models cannot be asked.
    """
    is_judged = refuse_unanswerable(run, parent, catalog)
    unused = option_cautions(asked, is_sampled=run.is_sampled, is_judged=is_judged)
    warnings = [*run.warnings, *unused, *sampling_cautions(run, catalog)]
    return replace(run, warnings=warnings, format=_format_of(run, parent))


def _format_of(run: Run, parent: Eval) -> int:
    source = run.data_source.json.get("source")
    graders = [placed.grader.type for placed in walk_criteria(run.criteria(parent).parsed)]
    return format_of(
        run.options,
        str(run.data_source.json.get("type")),
        str(source.get("type") if isinstance(source, dict) else None),
        graders,
    )


def sampling_cautions(run: Run, catalog: Catalog) -> list[Caution]:
    """Return what will differ from what a run asks, because of the endpoint that serves its model.

    Raises:
        InvalidRequestError: No endpoint serves the model, or its endpoint cannot do what is asked.
    """
    if not run.is_sampled:
        return []
    refuse_secrets(run.options.extra_body)
    target = catalog.find(run.model, "data_source.model")
    try:
        maker = compile_sampling(run.data_source.json, target, run.options.extra_body)
    except UnsupportedRequestError as error:
        raise InvalidRequestError(str(error), param=_param_of(error), code="unsupported") from error
    _require_price(run, target)
    cautions = [Caution("/data_source/sampling_params", sentence) for sentence in maker.adaptations]
    if run.options.cache and target.endpoint.is_application:
        cautions.append(Caution("/evalhaven/cache", _OLD_CODE.format(run.model)))
    return cautions


def refuse_unanswerable(run: Run, parent: Eval, catalog: Catalog) -> bool:
    """Refuse a run with a judge that cannot be asked; return whether its graders call any model, embeddings included.

    Raises:
        InvalidRequestError: No endpoint serves a judge's model, its endpoint cannot be asked this way, or a budget in
            dollars covers a model without a price.
    """
    has_judges = False
    for placed in walk_criteria(run.criteria(parent).parsed):
        grader, name = placed.grader, placed.name
        if not isinstance(grader, GraderScoreModel | GraderLabelModel):
            continue
        has_judges = True
        prompt = prompt_of(grader, _ANY_FORMAT)
        try:
            target = catalog.find(prompt.model, format_param((*placed.path, "model")) or "")
            compile_judge(prompt.messages, prompt.params, prompt.answer_format, target)
        except UnknownModelError as error:
            error.message = f"The judge of the eval's criterion {name!r} cannot be asked. {error.message}"
            raise
        except UnsupportedRequestError as error:
            message = f"The judge of the eval's criterion {name!r} cannot be asked: {error}"
            document, *path = error.at
            place = (*placed.path, "input" if document == "messages" else document, *path)
            raise InvalidRequestError(message, param=format_param(place), code="unsupported") from error
        _require_price(run, target)
    return has_judges or compares_embeddings(run.criteria(parent).parsed)


def _param_of(error: UnsupportedRequestError) -> str:
    """Return the parameter of a create-run request that cannot be sent to the endpoint."""
    document, *path = error.at
    around = {"messages": "data_source.input_messages.template", "extra_body": "evalhaven.extra_body"}
    return format_param((around.get(str(document), f"data_source.{document}"), *path)) or "data_source"


def _require_price(run: Run, target: Target) -> None:
    """Refuse a budget in dollars that cannot be enforced.

    Raises:
        InvalidRequestError: The run has a budget in dollars and no price is known for a model that it calls.
    """
    budget, endpoint = run.options.budget, target.endpoint
    if budget is None or budget.cost is None or endpoint.is_free:
        return
    if endpoint.price_of(target.model) is None:
        entry = f"one{_OR_ZERO}" if endpoint.is_application else "one"
        raise InvalidRequestError(
            f"'evalhaven.budget.cost' cannot be enforced: the endpoint {endpoint.name!r} states no price for "
            f"{target.model!r}. Add {entry} to its table 'prices', or limit 'tokens'.",
            param="evalhaven.budget.cost",
        )
