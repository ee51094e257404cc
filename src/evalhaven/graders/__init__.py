"""Graders: code that executes one testing criterion, a module a type."""
