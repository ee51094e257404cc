"""Statistics of evaluation results: pure functions, each with its source."""
