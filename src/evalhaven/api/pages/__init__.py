"""Parts of the plain pages for people; everything that a user or a model wrote is escaped there."""
