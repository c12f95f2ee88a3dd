"""Texts that are nearly the same: sketches, a table of their bands, and clusters."""

from salient.learning.duplicates.clusters import Clusters
from salient.learning.duplicates.model import Match, NearDuplicates, Sketches
from salient.learning.duplicates.streams import Stream, clear

__all__ = ["Clusters", "Match", "NearDuplicates", "Sketches", "Stream", "clear"]
