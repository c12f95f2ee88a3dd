"""What is asked of a search index and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salient.storage.search.query import Mode

Bound: TypeAlias = str | float | int | None


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A question to the index; see `SearchIndex.search` for what each part does."""

    text: str | None = None
    """A user's words in the syntax of `salient.storage.search.query`; None asks by vector or filter."""
    vector: NDArray[np.floating[Any]] | None = None
    """(dim,), of any length but 0."""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By field, values of which one must be there; none at all lets nothing through."""
    exclude: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By field, values that must not be there."""
    ranges: Mapping[str, tuple[Bound, Bound]] = field(default_factory=dict)
    """By field, first and last value, both within; None is open. Dates may be parts: `2021`, `2021-03`."""
    facets: Sequence[str] = ()
    facet_limit: int = 20
    limit: int = 10
    offset: int = 0
    highlight: Sequence[str] = ()
    """Stored text fields in which to mark what was found."""
    highlight_text: str | None = None
    """What to mark instead of `text`."""
    mode: Mode = "any"
    """Whether bare words are alternatives or all required."""
    sort: str | None = None
    """A keyword, number or date field, `-field` for falling; None ranks by score."""
    weight: float = 0.5
    """The vector's share of a score when there is text too, 0 to 1."""
    nearest: int = 100
    """How many of the most similar entries count as found by the vector."""
    min_similarity: float | None = None
    """Cosine below which an entry is not found by the vector."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that was found.

    `highlights` are half-open code points of the stored field. `text_score` is BM25, None if the
    words were not found; `vector_score` the cosine, None if the entry has no vector or none was asked.
    """

    key: str
    group: str
    score: float
    text_score: float | None
    vector_score: float | None
    fields: Mapping[str, Any]
    highlights: Mapping[str, tuple[tuple[int, int], ...]]


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of what was found; `total` and `facets` are of all of it."""

    total: int
    hits: tuple[Hit, ...]
    facets: Mapping[str, tuple[tuple[str, int], ...]]
