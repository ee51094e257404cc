"""Configurations of other tools made into eval files: what has no grader here is said, and nothing is guessed."""
