"""Search index: full text, vectors and facets behind one front.

The front understands the user's words, turns text into terms, fuses the two rankings and marks
what was found, so that all backends give the same meaning to the same query.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput, LimitExceeded, Unavailable, Unsupported
from salient.storage import backends, urls
from salient.storage.search.entries import (
    MAX_KEY_BYTES,
    MAX_KEYWORD_BYTES,
    Entry,
    Field,
    IndexSchema,
    Prepared,
    condition,
    conditions,
    prepare,
    span,
    unit,
)
from salient.storage.search.highlights import marks
from salient.storage.search.query import (
    Among,
    Asked,
    Between,
    Clause,
    Condition,
    Either,
    Mode,
    Node,
    Prefix,
    Restriction,
    Value,
    Words,
    parse,
)
from salient.storage.search.results import Hit, Hits, Query

__all__ = [
    "FEATURES", "MAX_KEYWORD_BYTES", "MAX_KEY_BYTES", "MAX_WINDOW", "SCHEMES", "WRAPPERS", "Among",
    "Asked", "Between", "Condition", "Either", "Entry", "Facets", "Field", "Handle", "Hit", "Hits",
    "IndexSchema", "Mode", "Prefix", "Prepared", "Query", "Restriction", "Scored", "SearchDriver",
    "SearchIndex", "Snapshot", "Words", "driver",
]  # fmt: skip

# scheme -> module that holds `Driver`: where an index is kept, and what goes over other indexes.
SCHEMES = {
    "embedded": "salient.storage.search.embedded",
    "opensearch": "salient.storage.search.opensearch",
    "postgresql": "salient.storage.search.postgresql",
    "sphinx": "salient.storage.search.sphinx",
}
WRAPPERS = {
    "flaky": "salient.storage.search.flaky",
    "instrumented": "salient.storage.search.instrumented",
    "scoped": "salient.storage.search.scoped",
}

FEATURES = frozenset({"vectors", "facets", "sort"})
"""What some backends lack; the front raises `Unsupported` then."""

MAX_WINDOW = 100_000  # offset + limit
_RANKED = 200  # best matches of the words that are weighed against the nearest vectors

Handle: TypeAlias = int
Scored: TypeAlias = list[tuple[Handle, float]]
Facets: TypeAlias = dict[str, tuple[tuple[str, int], ...]]


class Snapshot(ABC):
    """One committed state of an index. A handle names an entry within it; later entries have higher ones.

    The front closes it after each search: until then a backend may hold a transaction or a point in
    time, and one whose snapshots cost nothing may give the same one again and again.
    """

    def close(self) -> None:  # noqa: B027 # most have nothing to give back
        """Give back what the snapshot holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def matching(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        limit: int,
        also: Sequence[Handle] = (),
        sort: str | None = None,
    ) -> Scored:
        """Entries that match the words (None: all do) or are in `also`, best BM25 score first.

        Args:
            limit: 1 or more.
            sort: a field instead of the score, `-field` for falling; entries without it come last.
        """

    @abstractmethod
    def scores(self, asked: Asked, handles: Sequence[Handle]) -> dict[Handle, float]:
        """BM25 scores of those among the handles that match."""

    @abstractmethod
    def nearest(
        self, vector: NDArray[np.float32], restriction: Restriction, *, limit: int
    ) -> Scored:
        """Entries by cosine with `vector`, (dim,) of length 1, most similar first."""

    @abstractmethod
    def similarities(
        self, vector: NDArray[np.float32], handles: Sequence[Handle]
    ) -> dict[Handle, float]:
        """Cosines of those among the handles that have a vector."""

    @abstractmethod
    def summary(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        also: Sequence[Handle],
        facets: Sequence[str],
        facet_limit: int,
    ) -> tuple[int, Facets]:
        """How many entries `matching` would give without a limit, and their facets.

        Facets hold the most frequent values, ties in order of the value; dates count by year.
        """

    @abstractmethod
    def fetch(self, handles: Sequence[Handle]) -> dict[Handle, tuple[str, str, dict[str, Any]]]:
        """Key, group and fields by handle, as they are in `Prepared.stored`."""

    @abstractmethod
    def vectors(self, group: str) -> NDArray[np.float32]: ...

    @abstractmethod
    def count(self) -> int: ...


class SearchDriver(ABC):
    """What a backend must do. Entries are already checked and analysed by `SearchIndex`."""

    features: frozenset[str] = FEATURES
    """Of FEATURES, what this one has; may differ from one server to another."""
    most_values: int = 1_000_000
    """How many values a filter may have."""
    inner: tuple[SearchDriver, ...] = ()
    """What a wrapper is made of."""

    @abstractmethod
    def put(self, entries: Sequence[Prepared]) -> None:
        """Add, replacing entries of the same keys; no key is twice among `entries`."""

    @abstractmethod
    def delete_group(self, group: str) -> None: ...

    @abstractmethod
    def commit(self) -> None: ...

    @abstractmethod
    def rollback(self) -> None: ...

    @abstractmethod
    def clear(self) -> None: ...

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The newest commit, by whichever process."""

    @abstractmethod
    def close(self) -> None: ...


def driver(url: str, schema: IndexSchema) -> SearchDriver:
    """Open the driver that `url`'s scheme names, as a wrapper does with the ones within it.

    Raises:
        Misconfigured: as `SearchIndex.open`.
    """
    module, rest = backends.find("search", {**SCHEMES, **WRAPPERS}, url)
    made: SearchDriver = module.Driver(rest, schema)
    return made


def definition(url: str, schema: IndexSchema, folder: str) -> str:
    """What has to stand in the server's own configuration before an index can be opened.

    Args:
        folder: where the server shall keep the index's files.

    Raises:
        Unsupported: the server makes its indexes by itself.
        Misconfigured: as `SearchIndex.open`.
    """
    module, rest = backends.find("search", SCHEMES, url)
    if not hasattr(module, "definition"):
        raise Unsupported("this search server makes its indexes by itself")
    _, prefix = urls.location(rest)
    text: str = module.definition(schema, prefix or "salient", folder)
    return text


@final
class SearchIndex:
    """Entries found by words, by meaning, or both.

    - Readers see commits only, whole, and those of other processes too.
    - `put` replaces entries by key; `delete_group` takes out all of a document. Doing either twice
      is as doing it once.
    - One process writes at a time, from its first change to `commit` or `rollback`; others wait.
    - A writer that is killed leaves the last commit.
    - A change that raises `Unavailable` takes all uncommitted ones with it: begin again after the last
      commit. A commit that raises it may have been done; doing it all again does no harm.
    - `total` and facets count the whole result, not the page.
    - No text of a user is a syntax error (see `salient.storage.search.query`).
    - Threads may share an instance; other processes open their own.

    Raises from any method: Unavailable (locked, unreachable or closed), Corrupt (damaged files).
    """

    def __init__(self, driver: SearchDriver, schema: IndexSchema) -> None:
        self._driver, self._schema = driver, schema

    @classmethod
    def open(cls, url: str, schema: IndexSchema) -> SearchIndex:
        """Open the backend that `url`'s scheme names, e.g. `embedded:/path/index`.

        Raises:
            Misconfigured: no backend has that scheme, its driver is not installed, or the index
                there was made with other fields and has to be made anew.
        """
        return cls(driver(url, schema), schema)

    @property
    def features(self) -> frozenset[str]:
        """Which of FEATURES there are."""
        return self._driver.features

    @property
    def most_values(self) -> int:
        """How many values a filter may have; of servers some take fewer."""
        return self._driver.most_values

    @property
    def schema(self) -> IndexSchema:
        """The fields that the index was opened with."""
        return self._schema

    def put(self, entries: Sequence[Entry]) -> None:
        """Add entries, each in the place of an earlier one with its key. Seen after `commit`.

        Raises:
            InvalidInput: a key, field or vector is not as the schema has it; nothing was added.
            LimitExceeded: a keyword is over MAX_KEYWORD_BYTES; nothing was added.
            Unsupported: vectors, on a backend without them; nothing was added.
        """
        prepared = {entry.key: prepare(entry, self._schema) for entry in entries}
        if any(entry.vector is not None for entry in prepared.values()):
            self._needs("vectors")
        if prepared:
            with self._whole():
                self._driver.put(list(prepared.values()))

    def delete_group(self, group: str) -> None:
        """Take out all entries of a group. Seen after `commit`."""
        with self._whole():
            self._driver.delete_group(group)

    def commit(self) -> None:
        """Make the changes durable and visible, and let other writers in."""
        with self._whole():
            self._driver.commit()

    def rollback(self) -> None:
        """Forget the changes since the last commit, and let other writers in."""
        self._driver.rollback()

    def clear(self) -> None:
        """Take out everything, at once and visibly; uncommitted changes are lost."""
        with self._whole():
            self._driver.clear()

    def count(self) -> int:
        """How many entries are committed."""
        with self._driver.snapshot() as snapshot:
            return snapshot.count()

    def vectors(self, group: str) -> NDArray[np.float32]:
        """The committed vectors of a group, (n, dim), rows of length 1, in order of their keys' adding.

        To find what is like a document: search by the mean of these.

        Raises:
            Unsupported: the backend has no vectors.
        """
        self._needs("vectors")
        with self._driver.snapshot() as snapshot:
            return snapshot.vectors(group)

    def search(self, query: Query) -> Hits:
        """Find entries.

        - Text: ranked by BM25. Without text and vector: everything within the filters.
        - Vector: the `nearest` most similar are the result.
        - Both: the result is either's. The rank is the mean, weighted by `weight`, of the BM25
          score as a share of the best one, and of the cosine on a scale from the least to the most
          similar of the nearest.

        Raises:
            InvalidInput: an unknown field, a filter that its kind cannot have, a wrong vector.
            LimitExceeded: `offset + limit` is over MAX_WINDOW, or a filter has more than `most_values`.
            Unsupported: the backend lacks vectors, facets or sorting.

        Cost: a vector scans one bit a dimension of every entry; a range over a keyword field lists
            the field's values.
        """
        vector = self._checked(query)
        asked = self._asked(query.text, query.mode)
        restriction = self._restriction(query)
        with self._driver.snapshot() as snapshot:
            return self._found(snapshot, query, vector, asked, restriction)

    def highlight(self, query: str, text: str, field: str) -> tuple[tuple[int, int], ...]:
        """Spans of what a user's words ask for in a text that need not be in the index.

        Args:
            field: as which field of the schema the text is looked at.
        """
        asked = self._asked(query, "any")
        return marks(text, field, asked) if asked is not None else ()

    def close(self) -> None:
        """Close; changes that were not committed are lost."""
        self._driver.close()

    def __enter__(self) -> SearchIndex:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _found(
        self,
        snapshot: Snapshot,
        query: Query,
        vector: NDArray[np.float32] | None,
        asked: Asked | None,
        restriction: Restriction,
    ) -> Hits:
        near: Scored = []
        if vector is not None:
            near = snapshot.nearest(vector, restriction, limit=query.nearest)
        scale = (near[-1][1], near[0][1]) if near else (0.0, 0.0)
        if query.min_similarity is not None:
            near = [(handle, s) for handle, s in near if s >= query.min_similarity]
        if vector is not None and query.text is None:
            asked = Asked(())  # only what is near
        also = [handle for handle, _ in near]
        total, facets = snapshot.summary(
            asked, restriction, also=also, facets=query.facets, facet_limit=query.facet_limit
        )
        last = query.offset + query.limit
        text_scores: dict[Handle, float] = {}
        similar: dict[Handle, float] = dict(near)
        if last <= query.offset or not total:
            return Hits(total, (), facets)
        if vector is None or query.sort is not None:
            ranked = snapshot.matching(asked, restriction, limit=last, also=also, sort=query.sort)
            if query.sort is not None or asked is None:
                ranked = [(handle, 0.0) for handle, _ in ranked]
            else:
                text_scores = dict(ranked)
        elif query.text is None or asked is None:
            ranked = near
        else:
            top = snapshot.matching(asked, restriction, limit=last + _RANKED)
            text_scores = dict(top)
            text_scores |= snapshot.scores(asked, [h for h in also if h not in text_scores])
            similar |= snapshot.similarities(vector, [h for h, _ in top if h not in similar])
            ranked = _fused(text_scores, similar, also, scale, query.weight)
        page = ranked[query.offset : last]
        return Hits(
            total,
            self._hits(snapshot, page, text_scores, similar, query, asked),
            facets,
        )

    def _hits(
        self,
        snapshot: Snapshot,
        page: Scored,
        text_scores: Mapping[Handle, float],
        similar: Mapping[Handle, float],
        query: Query,
        asked: Asked | None,
    ) -> tuple[Hit, ...]:
        shown = asked
        if query.highlight_text is not None:
            shown = self._asked(query.highlight_text, query.mode)
        stored = snapshot.fetch([handle for handle, _ in page])
        hits = []
        for handle, score in page:
            key, group, fields = stored[handle]
            highlights = {}
            for name in query.highlight:
                found = marks(fields.get(name), name, shown) if shown is not None else ()
                if found:
                    highlights[name] = found
            hits.append(
                Hit(
                    key=key,
                    group=group,
                    score=score,
                    text_score=text_scores.get(handle),
                    vector_score=similar.get(handle),
                    fields=fields,
                    highlights=highlights,
                )
            )
        return tuple(hits)

    def _checked(self, query: Query) -> NDArray[np.float32] | None:
        if query.limit < 0 or query.offset < 0 or query.facet_limit < 1 or query.nearest < 1:
            raise InvalidInput("limits of a query are not negative, and 1 or more for facets")
        if query.offset + query.limit > MAX_WINDOW:
            raise LimitExceeded(
                "a result can be paged only so far: narrow the query",
                offset=query.offset, limit=query.limit, window=MAX_WINDOW,
            )  # fmt: skip
        for name, values in (*query.filters.items(), *query.exclude.items()):
            if len(values) > self.most_values:
                raise LimitExceeded(
                    f"a filter on {name!r} has more values than the search index takes",
                    n_values=len(values), most_values=self.most_values,
                )  # fmt: skip
        if not 0.0 <= query.weight <= 1.0:
            raise InvalidInput("a weight is 0 to 1", weight=query.weight)
        for name in query.highlight:
            if self._schema.kind(name) != "text":
                raise InvalidInput(f"{name!r} is not a text field to highlight", field=name)
        for name in query.facets:
            self._needs("facets")
            if self._schema.kind(name) == "text":
                raise InvalidInput(f"a text field such as {name!r} has no facets", field=name)
        if query.sort is not None:
            self._needs("sort")
            if self._schema.kind(query.sort.removeprefix("-")) == "text":
                raise InvalidInput(f"a text field cannot sort: {query.sort!r}", field=query.sort)
        if query.vector is None:
            return None
        self._needs("vectors")
        vector = unit(query.vector, self._schema)
        if vector is None:
            raise InvalidInput("a vector of zeros is like nothing")
        return vector

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Half of a batch must not be committed later as if it were all."""
        try:
            yield
        except Unavailable:
            with contextlib.suppress(Unavailable):
                self._driver.rollback()
            raise

    def _needs(self, feature: str) -> None:
        if feature not in self._driver.features:
            raise Unsupported(f"this search backend has no {feature}", feature=feature)

    def _asked(self, text: str | None, mode: Mode) -> Asked | None:
        if text is None:
            return None
        asked = parse(text, self._schema.kinds, mode)
        return Asked(tuple(Clause(c.occur, self._resolved(c.node)) for c in asked.clauses))

    def _resolved(self, node: Node) -> Node:
        """A user's `field:value` as a condition; a value that the field cannot have finds nothing."""
        match node:
            case Value(field, value):
                try:
                    return condition(field, value, self._schema)
                except InvalidInput:
                    return Either(())
            case Either(nodes):
                return Either(tuple(self._resolved(n) for n in nodes))
        return node

    def _restriction(self, query: Query) -> Restriction:
        required: list[tuple[Condition, ...]] = []
        for field, values in query.filters.items():
            required.append(conditions(field, values, self._schema))
        for field, (low, high) in query.ranges.items():
            required.append((span(field, low, high, self._schema),))
        excluded = [
            one
            for field, values in query.exclude.items()
            for one in conditions(field, values, self._schema)
        ]
        return Restriction(tuple(required), tuple(excluded))


def _fused(
    text_scores: Mapping[Handle, float],
    similar: Mapping[Handle, float],
    near: Sequence[Handle],
    scale: tuple[float, float],
    weight: float,
) -> Scored:
    """Min-max normalised mean: on the BEIR sets it beats reciprocal ranks by 1.5 points of NDCG."""
    best = max(text_scores.values(), default=0.0)
    low, high = scale
    width = high - low
    out = []
    for handle in {*text_scores, *near}:
        by_words = text_scores.get(handle, 0.0) / best if best > 0 else 0.0
        cosine = similar.get(handle)
        by_meaning = 0.0
        if cosine is not None:
            by_meaning = (cosine - low) / width if width > 0 else float(cosine >= high)
        out.append((handle, (1 - weight) * by_words + weight * min(1.0, max(0.0, by_meaning))))
    out.sort(key=lambda item: (-item[1], item[0]))
    return out
