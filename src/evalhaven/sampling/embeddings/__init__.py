"""Embeddings of texts, which graders compare."""
