"""Facts about migration: export from the hosted API, and import of the result."""
