"""The public JSON contract: frozen models whose names are those of the published schemas."""
