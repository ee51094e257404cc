"""The six graders: as documents of the grader endpoints and, named `EvalGrader…`, as testing criteria.

Outside evals a grader may come without a name, then `name` is "" and the server makes one.
A testing criterion needs its name.
"""

from typing import Annotated, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Tag,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from evalhaven.wire.contract import TAG_PREFIX, NonEmptyStr, WireModel, choose_by, choose_with, fault
from evalhaven.wire.messages import EvalItem
from evalhaven.wire.sampling_params import GraderSamplingParams

MAX_PYTHON_SOURCE_BYTES = 256 * 1024
"""Size, in UTF-8 bytes, that the source of a python grader must stay below."""

StringCheckOperation = Literal["eq", "ne", "neq", "like", "ilike"]
"""How two strings are compared; `neq` is another spelling of `ne`."""

TextSimilarityMetric = Literal[
    "fuzzy_match",
    "bleu",
    "gleu",
    "meteor",
    "cosine",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
]
"""How alike two texts are, in [0, 1]."""


def _blank_null(value: object) -> object:
    return "" if value is None else value


_OptionalName = Annotated[
    str,
    BeforeValidator(_blank_null),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]


class GraderStringCheck(WireModel):
    """Compare two strings. Published schema GraderStringCheck."""

    type: Literal["string_check"]
    name: _OptionalName = ""
    input: str
    reference: str
    operation: StringCheckOperation


class GraderTextSimilarity(WireModel):
    """Measure how alike two texts are. Published schema GraderTextSimilarity."""

    type: Literal["text_similarity"]
    name: _OptionalName = ""
    input: str
    reference: str
    evaluation_metric: TextSimilarityMetric


class GraderLabelModel(WireModel):
    """Let a model choose one of `labels`; those in `passing_labels` pass.

    Published schema GraderLabelModel.
    """

    type: Literal["label_model"]
    name: _OptionalName = ""
    model: NonEmptyStr
    input: Annotated[list[EvalItem], Field(fail_fast=True)]
    labels: Annotated[list[str], Field(min_length=1, fail_fast=True)]
    passing_labels: Annotated[list[str], Field(fail_fast=True)]
    sampling_params: GraderSamplingParams | None = None

    @model_validator(mode="after")
    def _keep_passing_labels_among_labels(self) -> Self:
        known = set(self.labels)
        stray = [label for label in dict.fromkeys(self.passing_labels) if label not in known]
        if stray:
            names = ", ".join(repr(label) for label in stray)
            raise fault(f"must be among 'labels', which lacks {names}", "passing_labels")
        return self


def _require_ascending_pair(value: list[float]) -> list[float]:
    if len(value) != 2:  # noqa: PLR2004 - a range has two ends
        raise fault(f"must be an array of exactly two numbers, [lowest, highest], but has {len(value)}")
    if value[0] >= value[1]:
        raise fault("must have its lowest score first and below the highest, such as [0, 1]")
    return value


class GraderScoreModel(WireModel):
    """Let a model give a score inside `range` (absent: 0 to 1). Published schema GraderScoreModel."""

    type: Literal["score_model"]
    name: _OptionalName = ""
    model: NonEmptyStr
    input: Annotated[list[EvalItem], Field(fail_fast=True)]
    range: (
        Annotated[
            list[float],
            Field(fail_fast=True),
            AfterValidator(_require_ascending_pair),
            WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
        ]
        | None
    ) = None
    sampling_params: GraderSamplingParams | None = None


def _require_source_size(value: str) -> str:
    size_bytes = len(value.encode("utf-8", "surrogatepass"))
    if size_bytes >= MAX_PYTHON_SOURCE_BYTES:
        raise fault(f"has {size_bytes} bytes, but must have fewer than {MAX_PYTHON_SOURCE_BYTES}")
    return value


class GraderPython(WireModel):
    """Run `grade(sample, item)` of the given source, below 256 kB. Published schema GraderPython."""

    type: Literal["python"]
    name: _OptionalName = ""
    source: Annotated[NonEmptyStr, AfterValidator(_require_source_size)]
    image_tag: str | None = None


_MULTI_PARTS = ("string_check", "text_similarity", "label_model", "score_model", "python")

MultiPart = Annotated[
    Annotated[GraderStringCheck, Tag("choice=string_check")]
    | Annotated[GraderTextSimilarity, Tag("choice=text_similarity")]
    | Annotated[GraderLabelModel, Tag("choice=label_model")]
    | Annotated[GraderScoreModel, Tag("choice=score_model")]
    | Annotated[GraderPython, Tag("choice=python")],
    choose_by("type", *_MULTI_PARTS),
]
"""A grader inside a multi grader: any but another multi grader."""


def _choose_graders_form(value: object) -> str | None:
    if isinstance(value, dict):
        is_grader = isinstance(cast("dict[str, object]", value).get("type"), str)
        return TAG_PREFIX + ("single" if is_grader else "map")
    if isinstance(value, WireModel):
        return TAG_PREFIX + "single"
    return TAG_PREFIX + "list" if isinstance(value, list) else None


def _require_distinct_names(value: list[MultiPart]) -> list[MultiPart]:
    seen: set[str] = set()
    for index, grader in enumerate(value):
        if not grader.name:
            raise fault("is required in a list of graders: the formula refers to it", index, "name")
        if grader.name in seen:
            raise fault(f"must be unique among the graders, but {grader.name!r} occurs twice", index, "name")
        seen.add(grader.name)
    return value


def _stop_at_first_fault(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    # Objects have no `fail_fast`, as lists have.
    if not isinstance(value, dict) or not value:
        return validate(value)
    parts: dict[str, object] = {}
    for name, part in cast("dict[str, object]", value).items():
        parts |= validate({name: part})
    return parts


MultiParts = Annotated[
    Annotated[dict[str, MultiPart], Field(min_length=1), WrapValidator(_stop_at_first_fault), Tag("choice=map")]
    | Annotated[
        list[MultiPart],
        Field(min_length=1, fail_fast=True),
        AfterValidator(_require_distinct_names),
        Tag("choice=list"),
    ]
    | Annotated[MultiPart, Tag("choice=single")],
    choose_with(
        _choose_graders_form,
        key="",
        cure="an object of graders by name or an array of graders with names",
    ),
]
"""The graders of a formula, by the names it uses: an object of them, an array where each has its name, or one alone."""


class GraderMulti(WireModel):
    """Compute one score from several with the formula `calculate_output`. Published schema GraderMulti."""

    type: Literal["multi"]
    name: _OptionalName = ""
    graders: MultiParts
    calculate_output: NonEmptyStr


class _Criterion(WireModel):
    """Hold what turns a grader into a testing criterion.

    `id` is the server's own; one that a client sends (a cloned eval) is accepted and replaced.
    """

    name: str
    id: str | None = None


class EvalGraderStringCheck(_Criterion, GraderStringCheck):
    """Compare two strings, as a testing criterion. Published schema EvalGraderStringCheck."""


class EvalGraderTextSimilarity(_Criterion, GraderTextSimilarity):
    """Pass texts at least `pass_threshold` alike. Published schema EvalGraderTextSimilarity."""

    pass_threshold: float


class EvalGraderLabelModel(_Criterion, GraderLabelModel):
    """Pass what a model labels well, as a testing criterion. Published schema EvalGraderLabelModel."""


class EvalGraderScoreModel(_Criterion, GraderScoreModel):
    """Pass what a model scores high, as a testing criterion. Published schema EvalGraderScoreModel."""

    pass_threshold: float | None = None


class EvalGraderPython(_Criterion, GraderPython):
    """Pass what code scores high, as a testing criterion. Published schema EvalGraderPython."""

    pass_threshold: float | None = None


class EvalGraderMulti(_Criterion, GraderMulti):
    """Pass what a formula scores high, as a testing criterion; the hosted service had none such in evals."""

    pass_threshold: float | None = None


CRITERION_TYPES = (*_MULTI_PARTS, "multi")
"""Every grader type, in the order error messages name them."""

TestingCriterion = Annotated[
    Annotated[EvalGraderStringCheck, Tag("choice=string_check")]
    | Annotated[EvalGraderTextSimilarity, Tag("choice=text_similarity")]
    | Annotated[EvalGraderLabelModel, Tag("choice=label_model")]
    | Annotated[EvalGraderScoreModel, Tag("choice=score_model")]
    | Annotated[EvalGraderPython, Tag("choice=python")]
    | Annotated[EvalGraderMulti, Tag("choice=multi")],
    choose_by("type", *CRITERION_TYPES),
]
"""One entry of `testing_criteria`, selected by `type`."""

Grader = Annotated[
    Annotated[GraderStringCheck, Tag("choice=string_check")]
    | Annotated[GraderTextSimilarity, Tag("choice=text_similarity")]
    | Annotated[GraderLabelModel, Tag("choice=label_model")]
    | Annotated[GraderScoreModel, Tag("choice=score_model")]
    | Annotated[GraderPython, Tag("choice=python")]
    | Annotated[GraderMulti, Tag("choice=multi")],
    choose_by("type", *CRITERION_TYPES),
]
"""The `grader` of the grader endpoints, selected by `type`."""
