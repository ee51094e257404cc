"""WordNet for the tests of graders."""

from tests.unit.graders.dictionaries import nltk_wordnet, wordnet_place

__all__ = ["nltk_wordnet", "wordnet_place"]
