"""Assertions that a model judges, as criteria that ask a model the same thing in our words."""

from collections.abc import Callable
from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.importers.conversion.made import ConversionError
from evalhaven.importers.conversion.nunjucks import to_template

JUDGED = frozenset({"llm-rubric", "factuality", "model-graded-factuality", "model-graded-closedqa"})
DEFAULT_JUDGE = "gpt-4.1"
"""The model that judges where nobody names one."""

_OUTPUT = "{{ sample.output_text }}"
_RUBRIC = (
    "You check an output against a rubric. The output passes if it meets the rubric as a whole, and fails otherwise."
)
_SCORED = (
    "You check an output against a rubric. Give 1 if it meets the rubric in full, 0 if it does not meet it at all, and "
    "a number between them if it meets a part of it."
)
_CLOSED = "You check whether a submission meets a criterion. Consider only the criterion."
_FACTS = """\
You compare the facts in an answer with those in an expert answer. Differences in style do not count. Choose
subset: the answer has some of the expert's facts, and no others.
superset: the answer has all of the expert's facts, and others that agree with them.
equal: both have the same facts.
disagreement: the answer contradicts the expert.
immaterial: they differ in what does not matter to the facts."""
_FACT_LABELS = {
    "subset": "subset",
    "superset": "superset",
    "equal": "agree",
    "disagreement": "disagree",
    "immaterial": "differButFactual",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """An assertion that a model judges."""

    name: str
    kind: str
    assertion: JsonObject
    is_inverse: bool

    def criterion(self, rubric: str, default_model: str, read_text: Callable[[str], str]) -> JsonObject:
        """Return it as a criterion.

        Args:
            rubric: What is looked for, as a template.
            default_model: The judge if the assertion names none.
            read_text: Returns the text of a file that the configuration names.

        Raises:
            ConversionError: It asks for something that cannot be asked here.
        """
        model = self._model(default_model)
        threshold = self.assertion.get("threshold")
        given = self.assertion.get("rubricPrompt")
        if self.kind == "llm-rubric":
            messages = self._given(given, rubric, read_text) if given else _messages(_RUBRIC, "Rubric", rubric)
            if isinstance(threshold, int | float) and not self.is_inverse:
                if not given:
                    messages = _messages(_SCORED, "Rubric", rubric)
                return {
                    "type": "score_model",
                    "name": self.name,
                    "model": model,
                    "input": messages,
                    "range": [0, 1],
                    "pass_threshold": threshold,
                }
            return self._labels(model, messages, ["pass", "fail"], ["fail" if self.is_inverse else "pass"])
        if given:
            raise ConversionError("it has a prompt of its own for the judge, whose answers no grader reads")
        if self.is_inverse:
            raise ConversionError(f"promptfoo has no not-{self.kind}")
        if self.kind == "model-graded-closedqa":
            return self._labels(model, _messages(_CLOSED, "Criterion", rubric), ["yes", "no"], ["yes"])
        scores = self.assertion.get("factuality")
        passing = [
            label
            for label, key in _FACT_LABELS.items()
            if _score(scores.get(key) if isinstance(scores, dict) else None, 0 if key == "disagree" else 1) > 0
        ]
        return self._labels(model, _messages(_FACTS, "Expert answer", rubric), list(_FACT_LABELS), passing)

    def _labels(self, model: str, messages: list[JsonValue], labels: list[str], passing: list[str]) -> JsonObject:
        return {
            "type": "label_model",
            "name": self.name,
            "model": model,
            "input": messages,
            "labels": list[JsonValue](labels),
            "passing_labels": list[JsonValue](passing),
        }

    def _model(self, default_model: str) -> str:
        provider = self.assertion.get("provider")
        named = provider.get("id") if isinstance(provider, dict) else provider
        if named is None:
            return default_model
        model = model_of(named) if isinstance(named, str) else None
        if model is None:
            raise ConversionError(f"its judge {named!r} is not a model that can be asked here; name one with --judge")
        return model

    def _given(self, prompt: JsonValue, rubric: str, read_text: Callable[[str], str]) -> list[JsonValue]:
        if not isinstance(prompt, str):
            raise ConversionError("its prompt for the judge is not a text")
        text = read_text(prompt.removeprefix("file://")) if prompt.startswith("file://") else prompt
        asked = to_template(text).replace("{{ item.output }}", _OUTPUT).replace("{{ item.rubric }}", rubric)
        return [{"role": "user", "content": asked}]


_CODE = frozenset(
    {
        "browser",
        "echo",
        "exec",
        "f5",
        "fal",
        "file",
        "golang",
        "http",
        "https",
        "manual-input",
        "mcp",
        "package",
        "promptfoo",
        "python",
        "replicate",
        "ruby",
        "sequence",
        "webhook",
        "websocket",
        "ws",
        "wss",
    }
)
_FORMS = frozenset({"chat", "messages", "responses", "completion", "text", "generate"})


def model_of(provider: str) -> str | None:
    """Return the model that a provider of promptfoo asks, by the name of its endpoint; None if it is not a model."""
    kind, *rest = provider.split(":")
    if (
        kind in _CODE
        or not rest
        or "/" in kind
        or (kind == "openai" and rest[0] in ("assistant", "image", "embedding"))
    ):
        return None
    if rest[0] in _FORMS and len(rest) > 1:
        rest = rest[1:]
    return ":".join(rest) or None


def _messages(task: str, title: str, rubric: str) -> list[JsonValue]:
    return [
        {"role": "system", "content": task},
        {"role": "user", "content": f"{title}:\n{rubric}\n\nOutput:\n{_OUTPUT}"},
    ]


def _score(value: JsonValue, default: float) -> float:
    return value if isinstance(value, int | float) else default
