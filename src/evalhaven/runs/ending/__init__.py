"""Canceling and deleting runs, and removing what is left of them, a little at a time.

A deleted run is hidden at once and purged in steps of 256 positions, so that no transaction is long.
"""
