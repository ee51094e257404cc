"""Bodies of Evalhaven's own endpoints that evaluate a finished run again."""

from typing import Annotated

from pydantic import Field

from evalhaven.wire.contract import JsonArray, WireModel
from evalhaven.wire.evals import MAX_CRITERIA
from evalhaven.wire.extension import CreateEvalRunExtension, RunBudget
from evalhaven.wire.graders import TestingCriterion
from evalhaven.wire.metadata import Metadata


class RegradeRunRequest(WireModel):
    """Grade the samples of a run again, by its eval's testing criteria or by these."""

    testing_criteria: Annotated[list[TestingCriterion], Field(fail_fast=True, max_length=MAX_CRITERIA)] | None = None
    name: str | None = None
    metadata: Metadata = None
    evalhaven: CreateEvalRunExtension | None = None


class RetryRunRequest(WireModel):
    """Execute again what has no result in a run.

    `tools` are the run's tools with what authenticates them, which is erased when a run ends. `budget` holds from now
    on, for all that the run has spent and will spend.
    """

    tools: JsonArray | None = None
    budget: RunBudget | None = None
