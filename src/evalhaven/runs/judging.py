"""The judges of a run: the models that its graders ask, called like the model that is evaluated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import anyio

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import Sample
from evalhaven.graders.judges.asking import AskedFor, JudgeModel, JudgePrompt, UnresolvedPromptError
from evalhaven.runs.engine import Engine
from evalhaven.runs.guard import RunGuard
from evalhaven.runs.sampler import Question, Sampler, require_price
from evalhaven.sampling.catalog import Catalog, Target, UnknownModelError
from evalhaven.sampling.messages.making import FileContents, ModelRequest, RequestError, RequestMaker
from evalhaven.sampling.protocols.requests import UnsupportedRequestError, compile_judge

_ITEMS_A_CALL = 3  # a call that waits for its next attempt occupies nobody at the endpoint
_JUDGES = ("score_model", "label_model")
# Whether the answer is a score or a label changes nothing about whether it can be asked for.
_ANY_FORMAT: JsonObject = {
    "type": "json_schema",
    "json_schema": {"name": "any", "schema": {"type": "object"}, "strict": True},
}


def refuse_unanswerable(run: Run, parent: Eval, catalog: Catalog) -> bool:
    """Let pass a run whose judges can all be asked; return whether its graders call any model, that of embeddings too.

    Raises:
        InvalidRequestError: No endpoint serves one's model, the one that does cannot be asked so, or a budget in
            dollars meets a model without a price.
    """
    has_judges = False
    for param, criterion in _judges_of(list(run.criteria(parent)), "testing_criteria"):
        has_judges = True
        name = criterion.get("name")
        try:
            target = catalog.find(str(criterion.get("model") or ""), f"{param}.model")
            compile_judge(criterion.get("input"), criterion.get("sampling_params"), _ANY_FORMAT, target)
        except UnknownModelError as error:
            error.message = f"The judge of the eval's criterion {name!r} cannot be asked. {error.message}"
            raise
        except UnsupportedRequestError as error:
            message = f"The judge of the eval's criterion {name!r} cannot be asked: {error}"
            raise InvalidRequestError(message, param=param) from error
        require_price(run, target)
    return has_judges or _compares_embeddings(list(run.criteria(parent)))


def _compares_embeddings(criteria: JsonValue) -> bool:
    if isinstance(criteria, dict):
        return criteria.get("evaluation_metric") == "cosine" or _compares_embeddings(list(criteria.values()))
    return isinstance(criteria, list) and any(_compares_embeddings(part) for part in criteria)


def _judges_of(criteria: JsonValue, param: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield each criterion that asks a model, those inside others too, and its place."""
    if isinstance(criteria, dict):
        placed = [(f"{param}.{name}", part) for name, part in criteria.items()]
    else:
        listed = criteria if isinstance(criteria, list) else []
        placed = [(f"{param}[{number}]", part) for number, part in enumerate(listed)]
    for at, criterion in placed:
        if isinstance(criterion, dict):
            if criterion.get("type") in _JUDGES:
                yield at, criterion
            graders = criterion.get("graders")
            is_single = isinstance(graders, dict) and isinstance(graders.get("type"), str)
            yield from _judges_of({"": graders} if is_single else graders, f"{at}.graders")


class RunJudges:
    """Opens the judges of one run, and knows how their calls go."""

    def __init__(self, engine: Engine, run: Run, guard: RunGuard, run_limit: anyio.CapacityLimiter | None) -> None:
        """Open none yet.

        Args:
            engine: What runs are executed with.
            run: The run.
            guard: Watches all its calls.
            run_limit: How many calls the run may have under way.
        """
        self._engine = engine
        self._run = run
        self._guard = guard
        self._run_limit = run_limit
        self._opened: list[tuple[str, Sampler]] = []

    def open(self, prompt: JudgePrompt) -> JudgeModel:
        """Compile a prompt for the endpoint that serves its model.

        Raises:
            UnknownModelError: There is none.
            UnsupportedRequestError: It cannot be asked so.
        """
        target = self._engine.catalog.find(prompt.model)
        maker = compile_judge(prompt.messages, prompt.params, prompt.answer_format, target)
        sampler = Sampler(
            self._engine,
            self._run,
            self._guard.watch_judge(),
            Question(target, _JudgeMaker(maker)),
            self._run_limit,
            self._known_flow(len(self._opened)),
        )
        self._opened.append((prompt.criterion, sampler))
        return _OpenedJudge(sampler, maker, target)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._opened)

    @property
    def flows(self) -> list[JsonValue]:
        """Return how the calls of each judge go."""
        return [{"criterion": name, **sampler.flow} for name, sampler in self._opened]

    def _known_flow(self, number: int) -> JsonValue:
        known = None if self._run.flow is None else self._run.flow.get("judges")
        return known[number] if isinstance(known, list) and number < len(known) else None


@dataclass(frozen=True, slots=True)
class Callers:
    """Everything of a run that calls models.

    Attributes:
        sampler: Asks the run's own model; None where it samples nothing.
        judges: Those of its graders.
    """

    sampler: Sampler | None
    judges: RunJudges

    def __bool__(self) -> bool:
        """Tell whether any model is called."""
        return self.sampler is not None or bool(self.judges)

    @property
    def flow(self) -> JsonObject:
        """Return how the calls go: those to the run's model and, under `judges`, those of each judge.

        A run that samples nothing shows its first judge in the place of the model.
        """
        judges = self.judges.flows
        first = judges[0] if self.sampler is None else self.sampler.flow
        return {**(first if isinstance(first, dict) else {}), **({"judges": judges} if judges else {})}


@dataclass(frozen=True, slots=True)
class _OpenedJudge:
    """A judge as graders see it."""

    _sampler: Sampler
    _maker: RequestMaker
    _target: Target

    @property
    def concurrency(self) -> int:
        return _ITEMS_A_CALL * self._sampler.concurrency

    @property
    def asked_for(self) -> AskedFor:
        lacks = self._target.endpoint.lacks
        if "structured_outputs" in lacks:
            return "text" if "json_mode" in lacks else "json_object"
        return "schema" if "strict_schemas" in lacks else "strict_schema"

    @property
    def adaptations(self) -> tuple[str, ...]:
        return self._maker.adaptations

    async def ask(self, namespaces: Mapping[str, JsonValue]) -> Sample:
        # A question to the cache is the same one for every repeat: repeats differ in what is judged.
        return await self._sampler.sample_item(namespaces, 0)


@dataclass(frozen=True, slots=True)
class _JudgeMaker:
    """Makes a judge's requests; a placeholder without a value is no error of the item but a failed criterion."""

    _maker: RequestMaker

    @property
    def path(self) -> str:
        return self._maker.path

    @property
    def adaptations(self) -> tuple[str, ...]:
        return self._maker.adaptations

    def make(self, namespaces: Mapping[str, JsonValue], files: FileContents) -> ModelRequest:
        try:
            return self._maker.make(namespaces, files)
        except RequestError as error:
            if error.unresolved:
                raise UnresolvedPromptError(error.unresolved) from None
            raise
