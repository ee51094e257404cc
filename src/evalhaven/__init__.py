"""Evalhaven: the OpenAI Evals API as software that anyone can run."""

__version__ = "0.1.0"
