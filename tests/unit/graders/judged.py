"""Judges whose model answers what a test says."""

from collections.abc import Mapping
from typing import Any

from evalhaven.domain.criteria import Criterion
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.samples import Sample, Usage
from evalhaven.graders.asking import Answer, AskedFor, JudgeModel, JudgePrompt
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.registry import build_grader

USAGE = Usage(prompt_tokens=9, completion_tokens=4, total_tokens=13)


class TalkingModel:
    """Answers every question alike, and keeps them."""

    def __init__(self, answer: Sample, asked_for: AskedFor = "strict_schema", *adaptations: str) -> None:
        self.concurrency = 5
        self.asked_for: AskedFor = asked_for
        self.adaptations = adaptations
        self.asked: list[Mapping[str, JsonValue]] = []
        self.prompts: list[JudgePrompt] = []
        self._answer = answer

    async def ask(self, namespaces: Mapping[str, JsonValue]) -> Answer:
        self.asked.append(namespaces)
        return Answer(self._answer, self.asked_for)

    def open(self, prompt: JudgePrompt) -> JudgeModel:
        self.prompts.append(prompt)
        return self


def said(text: str, finish_reason: str = "stop", **more: Any) -> Sample:
    """Return an answer."""
    output: list[JsonValue] = [{"role": "assistant", "content": text, **more}]
    return Sample(
        input=[{"role": "user", "content": "Is it good?"}],
        output=output,
        finish_reason=finish_reason,
        model="judge-1",
        usage=USAGE,
        latency_ms=12,
        attempts=1,
        cost=0.5,
        request_hash=b"asked",
    )


def score_model(**changes: Any) -> dict[str, Any]:
    return {
        "type": "score_model",
        "name": "Good",
        "id": "Good-1",
        "model": "judge",
        "input": [{"role": "user", "content": "Is it good?"}],
        **changes,
    }


def label_model(**changes: Any) -> dict[str, Any]:
    labels = {"labels": ["good", "bad", "ugly"], "passing_labels": ["good", "ugly"]}
    return {**score_model(**labels), "type": "label_model", **changes}


def judge(model: TalkingModel, criterion: dict[str, Any]) -> Any:
    """Return the grader of a criterion whose model is this one."""
    return build_grader(Criterion(criterion), Facilities(open_judge=model.open))
