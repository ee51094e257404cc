"""The judges of a run: the models that its graders ask, called like the model that is evaluated."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.run_options import RunOptions
from evalhaven.domain.scopes import ProjectScope
from evalhaven.graders.asking import Answer, AskedFor, JudgeModel, JudgePrompt
from evalhaven.runs.answer_forms import AnswerForms, Lacks, asked_for, find_less, refuses_form
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.evaluating.sampler import Question, Sampler, known_retries
from evalhaven.sampling.calls.slots import Slots
from evalhaven.sampling.catalog import Target
from evalhaven.sampling.embeddings.embedder import Embedder
from evalhaven.sampling.protocols.requests import compile_judge

_ITEMS_A_CALL = 3  # a call that waits for its next attempt does not occupy the endpoint


class RunJudges:
    """Opens the judges of one run, and knows how their calls go."""

    def __init__(
        self,
        engine: Engine,
        scope: ProjectScope,
        options: RunOptions,
        guard: RunGuard,
        run_limit: Slots | None = None,
        known_flow: JsonObject | None = None,
    ) -> None:
        """Open none yet.

        Args:
            engine: What runs are executed with.
            scope: Whose files judges may see.
            options: What was asked of the run.
            guard: Watches all its calls.
            run_limit: How many calls the run may have under way; None leaves that to the endpoints.
            known_flow: How the run's calls went before it was taken up again.
        """
        self._engine = engine
        self._scope = scope
        self._options = options
        self._guard = guard
        self._run_limit = run_limit
        self._flow_before = known_flow or {}
        self._opened: list[tuple[str, _OpenedJudge]] = []

    def open(self, prompt: JudgePrompt) -> JudgeModel:
        """Compile a prompt for the endpoint that serves its model.

        Raises:
            UnknownModelError: No endpoint serves the prompt's model.
            UnsupportedRequestError: The endpoint cannot be asked this way.
        """
        target = self._engine.catalog.find(prompt.model)
        guard, known_flow = self._guard.watch_judge(), self._known_flow(len(self._opened))

        def open_form(lacks: Lacks, flow: JsonValue) -> _Form:
            lesser = Target(replace(target.endpoint, lacks=lacks), target.model)
            maker = compile_judge(prompt.messages, prompt.params, prompt.answer_format, lesser)
            watch = guard if find_less(lacks) is None else guard.passing(refuses_form)
            question = Question(target, maker)
            sampler = Sampler(self._engine, self._scope, self._options, watch, question, self._run_limit, flow)
            return _Form(sampler, maker.adaptations, asked_for(lacks))

        judge = _OpenedJudge(target, self._engine.answer_forms, open_form, known_flow)
        self._opened.append((prompt.criterion, judge))
        return judge

    def __bool__(self) -> bool:
        """Tell whether there are any judges."""
        return bool(self._opened)

    @property
    def flows(self) -> list[JsonObject]:
        """Return how the calls of each judge go."""
        return [{"criterion": name, **judge.flow} for name, judge in self._opened]

    @property
    def unreachable(self) -> list[bool]:
        """Return for each judge whether its endpoint is unreachable now."""
        return [judge.sampler.is_unreachable for _, judge in self._opened]

    def learn(self, flows: JsonValue) -> None:
        """Note what is known of the judges' calls at all processes."""
        known = flows if isinstance(flows, list) else []
        for (_, judge), flow in zip(self._opened, known, strict=False):
            judge.sampler.learn(flow)

    def _known_flow(self, number: int) -> JsonValue:
        known = self._flow_before.get("judges")
        return known[number] if isinstance(known, list) and number < len(known) else None


@dataclass(frozen=True, slots=True)
class Callers:
    """Everything in a run that calls models.

    Attributes:
        sampler: Asks the run's own model; None if the run samples nothing.
        judges: The judges of its graders.
        embedder: Asks for the embeddings that its graders compare; None if they compare none.
    """

    sampler: Sampler | None
    judges: RunJudges
    embedder: Embedder | None

    def __bool__(self) -> bool:
        """Tell whether any model is called."""
        return self.has_answers or self.embedder is not None

    @property
    def has_answers(self) -> bool:
        """Tell whether any called model generates answers, as opposed to embeddings."""
        return self.sampler is not None or bool(self.judges)

    @property
    def unreachable(self) -> list[bool]:
        """Return for each model, judges included, whether its endpoint is unreachable now."""
        own = [] if self.sampler is None else [self.sampler.is_unreachable]
        embeddings = [] if self.embedder is None else [self.embedder.unreachable is not None]
        return [*own, *self.judges.unreachable, *embeddings]

    def learn(self, flow: JsonObject) -> None:
        """Note what is known of the run's calls at all processes."""
        if self.sampler is not None:
            self.sampler.learn(flow)
        self.judges.learn(flow.get("judges"))

    @property
    def flow(self) -> JsonObject:
        """Return how calls go: those to the run's model, those to each judge under `judges`, and `embeddings`.

        A run that samples nothing shows its first judge in place of the model or, without judges, its embeddings.
        """
        judges = self.judges.flows
        embeddings = [] if self.embedder is None else [self.embedder.flow]
        flow: JsonObject = dict(self.sampler.flow if self.sampler is not None else [*judges, *embeddings][0])
        if judges:
            flow["judges"] = [*judges]
        if embeddings:
            flow["embeddings"] = embeddings[0]
        return flow


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to ask a judge."""

    sampler: Sampler
    adaptations: tuple[str, ...]
    asked_for: AskedFor


class _OpenedJudge:
    """A judge as graders see it: if its endpoint refuses the form of answer, less is asked for.

    A form that the endpoint then answers is remembered. A refusal alone is not: it may be about one item.
    """

    def __init__(
        self,
        target: Target,
        known: AnswerForms,
        open_form: Callable[[Lacks, JsonValue], _Form],
        known_flow: JsonValue,
    ) -> None:
        self._target = target
        self._known = known
        self._open_form = open_form
        lacks = known.lacks_of(target)
        self._forms = {lacks: open_form(lacks, known_flow)}

    @property
    def sampler(self) -> Sampler:
        """Return the sampler that asks in the form known to be answered."""
        return self._form_without(self._known.lacks_of(self._target)).sampler

    @property
    def concurrency(self) -> int:
        return _ITEMS_A_CALL * self.sampler.concurrency

    @property
    def adaptations(self) -> tuple[str, ...]:
        return self._form_without(self._known.lacks_of(self._target)).adaptations

    @property
    def flow(self) -> JsonObject:
        """Return how its calls go, with the retries in every form."""
        retries = Counter[str]()
        for form in self._forms.values():
            retries.update(known_retries(form.sampler.flow))
        return {**self.sampler.flow, "retries": dict(retries)}

    async def ask(self, namespaces: Mapping[str, JsonValue]) -> Answer:
        attempts = 0
        lacks = self._known.lacks_of(self._target)
        while True:
            form = self._form_without(lacks)
            # The cache is always asked for repetition 0: repetitions differ in what is judged.
            sample = await form.sampler.sample_item(namespaces, 0)
            less = find_less(lacks)
            if sample.error is None or less is None or not refuses_form(sample.error):
                break
            attempts += sample.attempts
            lacks = less | self._known.lacks_of(self._target)
        if attempts:
            sample = msgspec.structs.replace(sample, attempts=sample.attempts + attempts)
            if sample.error is None:
                self._known.learn(self._target, lacks)
        return Answer(sample, form.asked_for)

    def _form_without(self, lacks: Lacks) -> _Form:
        form = self._forms.get(lacks)
        if form is None:
            form = self._forms[lacks] = self._open_form(lacks, None)
        return form
