"""Requests and replies of both protocols, and each in terms of the other."""
