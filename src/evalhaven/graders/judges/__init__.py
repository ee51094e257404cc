"""Graders that ask a model: `score_model` and `label_model`."""
