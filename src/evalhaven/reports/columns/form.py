"""What columns look like; apart from `making`, so that a process that makes none does not load numpy."""

FORM = 2
"""Which form columns have in this release; columns of another form are made again."""

PART_ITEMS = 16_384
"""Most items in a part."""

PART_BYTES = 32 * 1024 * 1024
"""After how much text of its items a part ends."""

LARGE_RUN_ITEMS = 200_000
"""From how many items on a run's report is kept beside its columns."""
