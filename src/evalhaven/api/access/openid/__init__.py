"""Logging in with OpenID Connect: the provider, what a browser brings back from it, and who that is here."""
