"""Parts of the plain pages for people. Everything that a user or a model wrote is escaped here."""
