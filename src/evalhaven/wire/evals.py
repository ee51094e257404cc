"""Evals: creation, update, the object, its lists and its deletion."""

from typing import Annotated, Literal

from pydantic import Field

from evalhaven.wire.contract import UnixTime, WireModel
from evalhaven.wire.data_source_configs import CreateEvalDataSourceConfig, EvalDataSourceConfig
from evalhaven.wire.extension import CreateEvalExtension, EvalExtension
from evalhaven.wire.graders import TestingCriterion
from evalhaven.wire.metadata import Metadata

MAX_CRITERIA = 256
"""Most testing criteria of an eval that is created here; an imported one keeps all it has."""


class CreateEvalRequest(WireModel):
    """Create an eval. Published schema CreateEvalRequest."""

    data_source_config: CreateEvalDataSourceConfig
    testing_criteria: Annotated[list[TestingCriterion], Field(fail_fast=True, max_length=MAX_CRITERIA)]
    name: str | None = None
    metadata: Metadata = None
    evalhaven: CreateEvalExtension | None = None


class UpdateEvalRequest(WireModel):
    """Rename an eval or replace its metadata. Published as the body of updateEval.

    A null `name` changes nothing. A null `metadata` clears, an absent one changes nothing:
    `model_fields_set` tells the two apart.
    """

    name: str | None = None
    metadata: Metadata = None


class Eval(WireModel):
    """Show an eval; `created_at` is Unix seconds. Published schema Eval."""

    object: Literal["eval"]
    id: str
    name: str
    data_source_config: EvalDataSourceConfig
    testing_criteria: list[TestingCriterion]
    created_at: UnixTime
    metadata: Metadata
    evalhaven: EvalExtension | None = None


class EvalList(WireModel):
    """Show a page of evals; both ids are null on an empty page. Published schema EvalList."""

    object: Literal["list"]
    data: list[Eval]
    first_id: str | None
    last_id: str | None
    has_more: bool


class EvalDeleted(WireModel):
    """Confirm that an eval is deleted. Published as the answer of deleteEval."""

    object: Literal["eval.deleted"]
    deleted: bool
    eval_id: str
