"""Imports from other servers and files: one module for each kind of source."""
