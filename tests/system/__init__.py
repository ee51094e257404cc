"""Facts about whole processes: kills, locks, memory, connections, commands."""
