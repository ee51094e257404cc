"""`python`: code of the user that is executed in a sandbox."""
