"""The endpoint that answers by rules."""
