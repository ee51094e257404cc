"""What users configure: evalhaven.toml and variables, read into a catalogue."""
