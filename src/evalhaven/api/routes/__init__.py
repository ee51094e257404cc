"""Routes by prefix."""
