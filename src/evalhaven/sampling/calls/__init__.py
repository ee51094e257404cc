"""The one way to a model: limits, attempts, outages, errors."""
