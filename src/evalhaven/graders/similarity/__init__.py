"""How alike two texts are: one pure function per metric, each with its source."""
