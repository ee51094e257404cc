"""Bodies of the endpoints that run and validate one grader."""

from evalhaven.wire.contract import JsonObject, OpenObject, WireModel
from evalhaven.wire.graders import Grader


class RunGraderRequest(WireModel):
    """Run a grader on one sample. Published schema RunGraderRequest.

    `model_sample` is the text that placeholders know as `sample.output_text`.
    """

    grader: Grader
    model_sample: str
    item: JsonObject | None = None


class ValidateGraderRequest(WireModel):
    """Check a grader without running it. Published schema ValidateGraderRequest."""

    grader: Grader


class ValidateGraderResponse(WireModel):
    """Echo a valid grader, with a name if it came without. Published schema ValidateGraderResponse."""

    grader: Grader


class RunGraderErrors(OpenObject):
    """Say what went wrong while grading; keys beyond these carry details."""

    formula_parse_error: bool
    sample_parse_error: bool
    truncated_observation_error: bool
    unresponsive_reward_error: bool
    invalid_variable_error: bool
    other_error: bool
    python_grader_server_error: bool
    python_grader_server_error_type: str | None
    python_grader_runtime_error: bool
    python_grader_runtime_error_details: str | None
    model_grader_server_error: bool
    model_grader_refusal_error: bool
    model_grader_parse_error: bool
    model_grader_server_error_details: str | None


class RunGraderMetadata(WireModel):
    """Tell how the grading went; `execution_time` is in seconds."""

    name: str
    type: str
    errors: RunGraderErrors
    execution_time: float
    scores: JsonObject
    token_usage: int | None
    sampled_model_name: str | None


class RunGraderResponse(WireModel):
    """Show the score of one grading. Published schema RunGraderResponse."""

    reward: float
    metadata: RunGraderMetadata
    sub_rewards: JsonObject
    model_grader_token_usage_per_model: JsonObject
