"""Calls to models: so far the embeddings that graders compare."""
