"""Conformance suites, one class a store. They ship with salient so that any backend can run them.

Subclass one and supply the fixtures that its docstring names. A suite never asks which backend it
has. Each test wants an empty store of its own.
"""

from salient.storage.testing.blob import BlobContract
from salient.storage.testing.docs import RecordsContract
from salient.storage.testing.kv import KeyValueContract
from salient.storage.testing.search import SearchContract
from salient.storage.testing.search_ranking import RankingContract
from salient.storage.testing.sql import TablesContract

__all__ = [
    "BlobContract",
    "KeyValueContract",
    "RankingContract",
    "RecordsContract",
    "SearchContract",
    "TablesContract",
]
