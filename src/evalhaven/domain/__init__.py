"""The words and rules of evals: ids, statuses, templates, samples, grades, tallies; no I/O."""
