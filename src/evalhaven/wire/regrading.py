"""Bodies of Evalhaven's own endpoints that evaluate a finished run again."""

from typing import Annotated

from pydantic import Field

from evalhaven.wire.contract import JsonArray, NonEmptyStr, WireModel
from evalhaven.wire.evals import MAX_CRITERIA
from evalhaven.wire.extension import CreateEvalRunExtension, RunBudget
from evalhaven.wire.graders import TestingCriterion
from evalhaven.wire.metadata import Metadata

MAX_MESSAGES = 100
MAX_ITEMS = 10_000


class RegradeRunRequest(WireModel):
    """Grade the samples of a run again. An empty body will do."""

    testing_criteria: Annotated[list[TestingCriterion], Field(fail_fast=True, max_length=MAX_CRITERIA)] | None = Field(
        default=None, description="Criteria of the new run alone. Without them, those of the eval hold."
    )
    name: str | None = Field(
        default=None, description='Name of the new run. Without it, the old name followed by "(graded again)".'
    )
    metadata: Metadata = Field(default=None, description="Metadata of the new run.")
    evalhaven: CreateEvalRunExtension | None = Field(
        default=None,
        description="Options of the new run. `labels` always count. `cache`, `max_concurrency` and `budget` count "
        "if judges are asked.",
    )


class RetryRunRequest(WireModel):
    """Execute again what has no result in a run. An empty body will do.

    With `errors` or `items` only these errored items are executed again, and the others stay as they are.
    """

    errors: Annotated[list[NonEmptyStr], Field(min_length=1, max_length=MAX_MESSAGES)] | None = Field(
        default=None, description="Messages of errors, as the report shows them: errored items with one of these."
    )
    items: Annotated[list[NonEmptyStr], Field(min_length=1, max_length=MAX_ITEMS)] | None = Field(
        default=None, description="Ids of output items that erred."
    )

    tools: JsonArray | None = Field(
        default=None,
        description="The run's tools with what authenticates them, which is erased when a run ends. Needed only if "
        "the run shows `***` in its tools.",
    )
    budget: RunBudget | None = Field(
        default=None, description="The budget from now on, for all that the run has spent and will spend."
    )
