"""Calls to models: which endpoint serves them, what they are asked and answer, and the way there."""
