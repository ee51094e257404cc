"""What Evalhaven promises, stated as facts."""
