"""Vectors of words and documents, trained on any amount of text, by one process or by many workers."""

from salient.learning.embeddings.distributed import DistributedTraining
from salient.learning.embeddings.keyed import KeyedVectors
from salient.learning.embeddings.model import WordVectors
from salient.learning.embeddings.phrases import Phrases
from salient.learning.embeddings.texts import TextVectors
from salient.learning.embeddings.vocabulary import Vocabulary, VocabularyCounter

__all__ = [
    "DistributedTraining", "KeyedVectors", "Phrases", "TextVectors", "Vocabulary", "VocabularyCounter", "WordVectors",
]  # fmt: skip
