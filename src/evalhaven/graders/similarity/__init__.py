"""How alike two texts are: one pure function a metric, each with its source."""
