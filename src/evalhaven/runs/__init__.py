"""What a run does: source, plan, chunks, items, tally; and what ends, stops or removes it."""
