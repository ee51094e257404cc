"""Copying an account of the hosted API into an archive, by reading alone."""
