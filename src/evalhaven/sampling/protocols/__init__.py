"""Requests and replies of both protocols, and their translation into each other."""
