"""Graders: code that executes one testing criterion, one module per type."""
