"""Facts about moving over: export from the hosted API, import of what it gave."""
