"""Taking over what other servers hold: one door a module."""
