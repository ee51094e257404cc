"""Copying an account of the hosted API into an archive; the account is only read."""
