"""Calls to models: which endpoint serves them, what they are asked, what they answer, and the transport."""
