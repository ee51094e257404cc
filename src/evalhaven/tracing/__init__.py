"""Traces for OpenTelemetry: from a request through its run and items to the calls of models.

Off unless somebody switches them on; nothing here is loaded before, and what would be traced asks for a tracer only.
"""
