"""A judge: asks a model about one sample, and turns its answer into a grade."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import msgspec

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.graders.asking import Answer, AskedFor, JudgeModel, JudgePrompt
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.judges.answers import ReadFrom, Reading, read_answer, read_reasoning
from evalhaven.graders.judges.forms import Form, LabelForm, ScoreForm
from evalhaven.graders.judges.shown import shown_call
from evalhaven.wire.graders import EvalGraderLabelModel, EvalGraderScoreModel, GraderLabelModel, GraderScoreModel

ORIGIN = "judge"
READ_FROM_TEXT = "read_from_text"
READ_FROM_REASONING = "read_from_reasoning"
UNESCAPED_WHITE_SPACE = "unescaped_white_space"
_NOTES: dict[AskedFor, tuple[str, ...]] = {
    "strict_schema": (),
    "schema": ("without_strict_schema",),
    "json_object": ("without_schema",),
    "text": ("without_json_mode",),
}
_READ_FROM: dict[ReadFrom, tuple[str, ...]] = {
    "json": (),
    "text": (READ_FROM_TEXT,),
    "reasoning": (READ_FROM_REASONING,),
}
_DEFAULT_RANGE = (0.0, 1.0)
_SHOWN_CHARS = 200


class Judge:
    """A criterion that a model decides."""

    waits = True

    def __init__(self, criterion: str, model: JudgeModel, form: Form, params: JsonObject) -> None:
        """Ask nothing yet.

        Args:
            criterion: Name of the criterion.
            model: The model to ask.
            form: The form of the answer.
            params: The criterion's `sampling_params` as sent.
        """
        self._criterion = criterion
        self._model = model
        self._form = form
        self._params = params

    @property
    def concurrency(self) -> int:
        """Return how many items are worth grading at once."""
        return self._model.concurrency

    @property
    def caution(self) -> str | None:
        """Return what is asked differently because of the endpoint, if anything."""
        return " ".join(self._model.adaptations) or None

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Ask the model; a placeholder without a value becomes empty in the question and is named in the grade."""
        answer = await self._model.ask(namespaces)
        sample = answer.sample
        if sample.error is not None:
            return self._errored(answer, _judges_error(sample.error))
        text = _text_of(sample)
        problem = self._problem(sample)
        reading = None if problem is not None else read_answer(text, self._form)
        if reading is not None:
            return self._concluded(answer, reading)
        if problem is None and sample.finish_reason == "stop":
            # An answer that was cut off or filtered may be a draft.
            reading = read_reasoning(sample.reasoning, self._form)
        if reading is None:
            return self._errored(answer, problem or self._unreadable(text))
        # The cached answer has no reasoning.
        said = [{**message, "reasoning_content": sample.reasoning} for message in _messages(sample)[:1]]
        sample = msgspec.structs.replace(sample, request_hash=None, output=list[JsonValue](said))
        return self._concluded(replace(answer, sample=sample), reading)

    def _concluded(self, answer: Answer, reading: Reading) -> Grade:
        sample = answer.sample
        verdict = self._form.judge(reading.result)
        found = (*_READ_FROM[reading.read_from], *((UNESCAPED_WHITE_SPACE,) if reading.is_unescaped else ()))
        return Grade(
            score=verdict.score,
            passed=verdict.passed,
            unresolved=sample.unresolved,
            sample=shown_call(sample, self._params, None),
            notes=(*_NOTES[answer.asked_for], *found, *verdict.notes),
            calls=(sample,),
            judge={
                "asked_for": answer.asked_for,
                "result": reading.result,
                "read_from": reading.read_from,
            },
        )

    def _errored(self, answer: Answer, error: ItemError) -> Grade:
        sample = answer.sample
        return Grade(
            score=0.0,
            passed=False,
            unresolved=sample.unresolved,
            error=error,
            sample=shown_call(sample, self._params, error),
            notes=_NOTES[answer.asked_for],
            # An unusable answer must not be served from the cache to the next attempt.
            calls=(msgspec.structs.replace(sample, request_hash=None),),
            judge={"asked_for": answer.asked_for, "result": None, "read_from": None},
        )

    def _problem(self, sample: Sample) -> ItemError | None:
        """Return why an answer is not read at all."""
        refusal = next((str(each["refusal"]) for each in _messages(sample) if each.get("refusal")), None)
        if refusal is not None:
            return self._error("judge_refused", f"refused: {_shortened(refusal)}", retryable=False)
        if sample.finish_reason == "content_filter":
            return self._error("judge_filtered", "had its answer filtered out by its endpoint.", retryable=False)
        if sample.finish_reason == "length":
            what = "had its answer cut off at the limit of tokens; raise `sampling_params.max_completions_tokens`."
            return self._error("judge_truncated", what)
        return None

    def _unreadable(self, text: str) -> ItemError:
        said = f"answered {_shortened(text)}" if text.strip() else "answered nothing"
        return self._error("judge_unparsable", f"{said}, from which no {self._form.noun} can be read.")

    def _error(self, code: str, what: str, *, retryable: bool = True) -> ItemError:
        return ItemError(code, f"The judge of {_shortened(self._criterion)} {what}", ORIGIN, retryable)


def open_score_model(criterion: EvalGraderScoreModel, facilities: Facilities) -> Judge:
    """Return the judge of a `score_model` criterion.

    Raises:
        UnsupportedGraderError: No models can be asked here.
        UnknownModelError: No endpoint serves its model.
        UnsupportedRequestError: That endpoint cannot be asked this way.
    """
    lowest, highest = criterion.range or _DEFAULT_RANGE
    threshold = criterion.pass_threshold
    form = ScoreForm(lowest, highest, lowest + (highest - lowest) / 2 if threshold is None else threshold)
    return _open(criterion, form, facilities)


def open_label_model(criterion: EvalGraderLabelModel, facilities: Facilities) -> Judge:
    """Return the judge of a `label_model` criterion.

    Raises:
        UnsupportedGraderError: No models can be asked here.
        UnknownModelError: No endpoint serves its model.
        UnsupportedRequestError: That endpoint cannot be asked this way.
    """
    return _open(criterion, LabelForm(criterion.labels, criterion.passing_labels), facilities)


def prompt_of(criterion: GraderScoreModel | GraderLabelModel, answer_format: JsonObject) -> JudgePrompt:
    """Return what a criterion's model is to be asked."""
    return JudgePrompt(
        criterion=criterion.name,
        model=criterion.model,
        messages=[message.sent for message in criterion.input],
        params={} if criterion.sampling_params is None else criterion.sampling_params.sent,
        answer_format=answer_format,
    )


def _open(criterion: GraderScoreModel | GraderLabelModel, form: Form, facilities: Facilities) -> Judge:
    prompt = prompt_of(criterion, form.answer_format)
    if facilities.open_judge is None:
        raise UnsupportedGraderError(f"Testing criterion {prompt.criterion!r} asks a model, which cannot be done here.")
    return Judge(prompt.criterion, facilities.open_judge(prompt), form, prompt.params)


def _judges_error(error: ItemError) -> ItemError:
    return replace(error, origin=ORIGIN) if error.origin == "sampling" else error


def _messages(sample: Sample) -> list[JsonObject]:
    return [message for message in sample.output if isinstance(message, dict)]


def _text_of(sample: Sample) -> str:
    first = next(iter(_messages(sample)), cast("JsonObject", {}))
    content = first.get("content")
    return content if isinstance(content, str) else ""


def _shortened(text: str) -> str:
    line = " ".join(text[: 4 * _SHOWN_CHARS].split())
    return repr(line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1]}…")
