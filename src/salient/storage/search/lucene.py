"""Mappings, documents and questions in the JSON of OpenSearch and Elasticsearch.

Terms come from the front, joined by blanks; the server splits there and scores by BM25.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput, Unavailable
from salient.storage.search import (
    MAX_WINDOW,
    Among,
    Asked,
    Between,
    Condition,
    Either,
    IndexSchema,
    Prefix,
    Prepared,
    Restriction,
    Snapshot,
    Words,
)
from salient.storage.search.generations import ALIVE, View, chunks, made_of
from salient.storage.search.query import Clause, Node

Json: TypeAlias = dict[str, Any]

_TIE = 0.2  # what a second field that has the word adds, beside the best one
_LONG_BYTES = 32_600  # of a keyword; Lucene refuses terms over 32766
_MAX_TERMS = 1000  # of a question; servers refuse 1024 and more
_MAX_VALUES = 65_000  # of one condition; servers refuse 65537 and more
_MAX_FACET = 65_000  # values of one facet; servers refuse 65536 and more
_MAX_NEAREST = 10_000  # neighbours that an approximate search gives
_PAGE = 1000
_FETCH = 200  # entries read in one request: stored texts may be long

_ALL: Final[Json] = {"match_all": {}}
_NONE: Final[Json] = {"match_none": {}}


class Fields:
    """A schema in Lucene's terms. Its fields are numbered, so that any name is harmless.

    Args:
        vectors: the server's type of vector fields, None for a server or a schema without.
    """

    def __init__(self, schema: IndexSchema, vectors: str | None) -> None:
        self.schema = schema
        self.kinds = schema.kinds
        self.vectors = vectors if schema.vector_dim is not None else None
        self.text: dict[str, tuple[str, str, float]] = {}
        self.value: dict[str, str] = {}
        self.facet: dict[str, str] = {}
        for number, field in enumerate(schema.fields):
            own = f"f{number}"
            match field.kind:
                case "text":
                    self.text[field.name] = own, f"w{number}", field.boost
                case "keyword":
                    self.value[field.name] = self.facet[field.name] = own
                case _:
                    # Facets show numbers and years as text, and break ties by it.
                    self.value[field.name], self.facet[field.name] = own, f"s{number}"

    @property
    def mapping(self) -> Json:
        properties: Json = {
            "state": {"type": "object", "enabled": False},
            "id": {"type": "long"},
            "born": {"type": "long"},
            "died": {"type": "long"},
            "key": {"type": "keyword"},
            "group": {"type": "keyword"},
            # Base64, since stored text may hold surrogates, which JSON's servers refuse.
            "stored": {"type": "binary"},
            "packed": {"type": "binary"},
            "long": {"type": "object", "enabled": False},
        }
        for own, words, _ in self.text.values():
            properties[own] = {"type": "text", "analyzer": "whitespace"}
            properties[words] = {
                "type": "text", "analyzer": "whitespace", "index_options": "docs", "norms": False
            }  # fmt: skip
        kinds = {"keyword": "keyword", "number": "double", "date": "long"}
        for name, own in self.value.items():
            properties[own] = {"type": kinds[self.kinds[name]]}
            properties.setdefault(self.facet[name], {"type": "keyword"})
        dim = self.schema.vector_dim
        if self.vectors == "knn_vector":
            method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
            properties["vector"] = {"type": "knn_vector", "dimension": dim, "method": method}
        elif self.vectors == "dense_vector":
            properties["vector"] = {
                "type": "dense_vector", "dims": dim, "index": True, "similarity": "cosine"
            }  # fmt: skip
        return {"dynamic": "strict", "_meta": made_of(self.schema), "properties": properties}

    def document(self, entry: Prepared, ident: int, born: int) -> Json:
        document: Json = {
            "id": ident, "born": born, "died": ALIVE, "key": entry.key, "group": entry.group,
            "stored": base64.b64encode(entry.stored).decode(),
        }  # fmt: skip
        for name, terms in entry.terms.items():
            own, words, _ = self.text[name]
            document[own] = " ".join(terms)
            document[words] = " ".join(entry.words[name])
        longs: dict[str, str] = {}
        for name, keywords in entry.keywords.items():
            tokens = [token(keyword) for keyword in keywords]
            document[self.value[name]] = tokens
            longs |= {t: k for t, k in zip(tokens, keywords, strict=True) if t != k}
        for name, number in entry.numbers.items():
            document[self.value[name]] = number
            document[self.facet[name]] = str(int(number)) if number.is_integer() else str(number)
        for name, second in entry.dates.items():
            year = int(np.datetime64(second, "s").astype("datetime64[Y]").astype(int)) + 1970
            document[self.value[name]] = second
            document[self.facet[name]] = f"{year:04d}"
        if longs:
            document["long"] = {"values": longs}
        if entry.vector is not None and self.vectors is not None:
            document["vector"] = entry.vector.tolist()
            packed = entry.vector.astype("<f2").tobytes()
            document["packed"] = base64.b64encode(packed).decode()
        return document


def token(keyword: str) -> str:
    """A keyword as Lucene can take it: one that is too long is cut, and told apart by a hash.

    Ranges over such keywords look at their first 32,600 bytes.
    """
    if len(keyword) <= _LONG_BYTES // 4:
        return keyword
    whole = keyword.encode()
    if len(whole) <= _LONG_BYTES:
        return keyword
    cut = whole[:_LONG_BYTES].decode("utf-8", "ignore")
    return f"{cut}\uffff{hashlib.blake2b(whole, digest_size=32).hexdigest()}"


def visible(view: View) -> list[Json]:
    """What a reader sees."""
    born: Json = {"range": {"born": {"gt": view.base, "lte": view.committed}}}
    died: Json = {"range": {"died": {"gt": view.committed}}}
    if not view.void:
        return [born, died]
    return [born, any_of([died, *void(view, "died")]), {"bool": {"must_not": void(view, "born")}}]


def void(view: View, field: str) -> list[Json]:
    """Where a generation is of those that came to nothing: any of these."""
    return [{"range": {field: {"gte": first, "lte": last}}} for first, last in view.void]


def pages(ask: Callable[[Json], Json], filters: Sequence[Json], parts: Sequence[str]) -> Iterator[list[Json]]:  # fmt: skip
    """All entries within filters by number, a page of hits at a time, with parts of what they hold."""
    body: Json = {
        "size": _PAGE, "_source": list(parts) or False, "sort": [{"id": "asc"}],
        "track_total_hits": False, "seq_no_primary_term": True, "query": {"bool": {"filter": list(filters)}},
    }  # fmt: skip
    while True:
        hits: list[Json] = ask(body)["hits"]["hits"]
        if hits:
            yield hits
        if len(hits) < _PAGE:
            return
        body["search_after"] = hits[-1]["sort"]


class Reader(Snapshot):
    """One committed state.

    Args:
        ask: sends a search.
        get: reads entries by number as they were last made searchable, with parts of what they hold.
        exact: entries within the filters up to which all their vectors are compared.
    """

    def __init__(
        self,
        ask: Callable[[Json], Json],
        get: Callable[[Sequence[int], Sequence[str]], dict[int, Json]],
        fields: Fields,
        view: View,
        exact: int,
    ) -> None:
        self._ask, self._get = ask, get
        self._fields, self._exact = fields, exact
        self._visible = visible(view)

    def matching(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        limit: int,
        also: Sequence[int] = (),
        sort: str | None = None,
    ) -> list[tuple[int, float]]:
        order: list[Json] = [{"id": "asc"}]
        if sort is not None:
            own = self._fields.value[sort.removeprefix("-")]
            direction = "desc" if sort.startswith("-") else "asc"
            order.insert(0, {own: {"order": direction, "missing": "_last"}})
        elif asked is not None:
            order.insert(0, {"_score": "desc"})
        return self._scored(self._query(asked, restriction, also), limit, order)

    def scores(self, asked: Asked, handles: Sequence[int]) -> dict[int, float]:
        found: dict[int, float] = {}
        for part in chunks(handles, _PAGE):
            query = self._query(asked, Restriction(), ())
            query["bool"]["filter"].append({"terms": {"id": list(part)}})
            found |= self._scored(query, len(part), [{"_score": "desc"}])
        return found

    def nearest(
        self, vector: NDArray[np.float32], restriction: Restriction, *, limit: int
    ) -> list[tuple[int, float]]:
        within = [*self._filters(restriction), {"exists": {"field": "vector"}}]
        limit = min(limit, MAX_WINDOW)
        wanted = limit + limit // 4 + 8
        if wanted > _MAX_NEAREST or self._among(within) <= self._exact:
            scored = self._scored(exactly(self._fields, vector, within), limit, _BY_SCORE)
            if self._fields.vectors == "dense_vector":
                return [(handle, score - 1.0) for handle, score in scored]
            # How OpenSearch turns cosines into scores has changed over its versions.
            return self._by_cosine(vector, [handle for handle, _ in scored], limit)
        if self._fields.vectors == "knn_vector":
            near = {"vector": vector.tolist(), "k": wanted, "filter": {"bool": {"filter": within}}}
            body: Json = {"query": {"knn": {"vector": near}}}
        else:
            near = {"field": "vector", "query_vector": vector.tolist(), "k": wanted, "filter": within}  # fmt: skip
            body = {"knn": near | {"num_candidates": min(_MAX_NEAREST, 2 * wanted + 100)}}
        found = self._ask({**body, "size": wanted, "_source": False})["hits"]["hits"]
        # The server's own cosines may come of vectors rounded to bytes.
        return self._by_cosine(vector, [int(hit["_id"]) for hit in found], limit)

    def _by_cosine(
        self, vector: NDArray[np.float32], handles: Sequence[int], limit: int
    ) -> list[tuple[int, float]]:
        cosines = self.similarities(vector, handles)
        return sorted(cosines.items(), key=lambda item: (-item[1], item[0]))[:limit]

    def similarities(self, vector: NDArray[np.float32], handles: Sequence[int]) -> dict[int, float]:
        if self._fields.vectors is None:
            return {}
        found = self._get(handles, ["packed"])
        return {
            ident: float(_unpacked(source["packed"]) @ vector)
            for ident, source in found.items()
            if source.get("packed")
        }

    def summary(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        also: Sequence[int],
        facets: Sequence[str],
        facet_limit: int,
    ) -> tuple[int, dict[str, tuple[tuple[str, int], ...]]]:
        if facet_limit > _MAX_FACET:
            total, _ = self.summary(asked, restriction, also=also, facets=(), facet_limit=1)
            query = self._query(asked, restriction, also)
            return total, {name: self._all_values(name, query)[:facet_limit] for name in facets}
        body: Json = {
            "size": 0, "track_total_hits": True, "query": self._query(asked, restriction, also)
        }  # fmt: skip
        # `shard_size`: the sums of shards that each gave their best values only would be too low.
        order: list[Json] = [{"_count": "desc"}, {"_key": "asc"}]
        aggregations = {
            f"a{number}": {
                "terms": {
                    "field": self._fields.facet[name], "size": facet_limit,
                    "shard_size": _MAX_FACET, "order": order,
                }
            }
            for number, name in enumerate(facets)
        }  # fmt: skip
        if aggregations:
            body["aggs"] = aggregations
        answer = self._ask(body)
        out = {}
        for number, name in enumerate(facets):
            buckets = answer["aggregations"][f"a{number}"]["buckets"]
            values = [
                (self._shown(name, str(bucket["key"])), int(bucket["doc_count"]))
                for bucket in buckets
            ]
            # In this order already, but for keywords that were cut.
            values.sort(key=lambda item: (-item[1], item[0]))
            out[name] = tuple(values)
        return int(answer["hits"]["total"]["value"]), out

    def _all_values(self, name: str, query: Json) -> tuple[tuple[str, int], ...]:
        """A facet with more values than a server counts at once."""
        source = {"value": {"terms": {"field": self._fields.facet[name]}}}
        composite: Json = {"size": 10_000, "sources": [source]}
        values: list[tuple[str, int]] = []
        while True:
            body = {"size": 0, "query": query, "aggs": {"a": {"composite": composite}}}
            found = self._ask(body)["aggregations"]["a"]
            buckets = found["buckets"]
            values += [(str(b["key"]["value"]), int(b["doc_count"])) for b in buckets]
            if not buckets or "after_key" not in found:
                break
            composite = composite | {"after": found["after_key"]}
        values.sort(key=lambda item: (-item[1], item[0]))
        return tuple((self._shown(name, value), count) for value, count in values)

    def fetch(self, handles: Sequence[int]) -> dict[int, tuple[str, str, dict[str, Any]]]:
        out = {}
        for part in chunks(handles, _FETCH):
            found = self._get(part, ["stored"])
            if len(found) < len(part):
                raise Unavailable("the search took longer than what is dead was kept")
            for ident, source in found.items():
                raw = base64.b64decode(source["stored"])
                key, group, fields = json.loads(raw.decode("utf-8", "surrogatepass"))
                out[ident] = key, group, fields
        return out

    def vectors(self, group: str) -> NDArray[np.float32]:
        filters = [*self._visible, {"term": {"group": group}}, {"exists": {"field": "vector"}}]
        rows = [
            _unpacked(hit["_source"]["packed"])
            for page in pages(self._ask, filters, ["packed"])
            for hit in page
        ]
        if not rows:
            return np.zeros((0, self._fields.schema.vector_dim or 0), np.float32)
        return np.stack(rows)

    def count(self) -> int:
        return self._among(self._visible, exactly=True)

    def _among(self, filters: Sequence[Json], *, exactly: bool = False) -> int:
        """How many entries there are within filters; if not exactly, as far as the count matters."""
        upto: bool | int = True if exactly else self._exact + 1
        query = {"bool": {"filter": list(filters)}}
        answer = self._ask({"size": 0, "track_total_hits": upto, "query": query})
        return int(answer["hits"]["total"]["value"])

    def _scored(self, query: Json, limit: int, order: Sequence[Json]) -> list[tuple[int, float]]:
        body = {
            "size": limit, "_source": False, "track_total_hits": False, "track_scores": True,
            "sort": list(order), "query": query,
        }  # fmt: skip
        found = self._ask(body)["hits"]["hits"]
        return [(int(hit["_id"]), float(hit["_score"] or 0.0)) for hit in found]

    def _shown(self, name: str, value: str) -> str:
        """A facet's value as it was put."""
        if len(value) <= _LONG_BYTES // 4 or len(value.encode()) <= _LONG_BYTES:
            return value
        query = {"bool": {"filter": [*self._visible, {"term": {self._fields.value[name]: value}}]}}
        hits = self._ask({"size": 1, "_source": ["long"], "query": query})["hits"]["hits"]
        if not hits:
            raise Unavailable("the search took longer than what is dead was kept")
        return str(hits[0]["_source"]["long"]["values"][value])

    def _query(self, asked: Asked | None, restriction: Restriction, also: Sequence[int]) -> Json:
        query = _ALL if asked is None else self._asked(asked)
        if also and asked is not None:
            others = [
                {"constant_score": {"filter": {"terms": {"id": list(part)}}, "boost": 0.0}}
                for part in chunks(also, 10_000)
            ]
            query = {"bool": {"should": [query, *others], "minimum_should_match": 1}}
        return {"bool": {"must": [query], "filter": self._filters(restriction)}}

    def _filters(self, restriction: Restriction) -> list[Json]:
        filters = [
            any_of([self._condition(one) for one in either]) for either in restriction.required
        ]
        if restriction.excluded:
            excluded = [self._condition(one) for one in restriction.excluded]
            filters.append({"bool": {"must_not": excluded}})
        return [*self._visible, *filters]

    def _asked(self, asked: Asked) -> Json:
        parts: dict[str, list[Json]] = {"must": [], "should": [], "must_not": []}
        terms = 0
        for clause, times in Counter(asked.clauses).items():  # in order of their first appearance
            terms += self._terms(clause.node)
            if terms > _MAX_TERMS:
                break
            parts["must_not" if clause.occur == "not" else clause.occur].append(
                self._clause(clause, times)
            )
        if not any(parts.values()):
            return _NONE
        if not parts["must"] and not parts["should"]:
            parts["must"].append(_ALL)
        least = 0 if parts["must"] else 1
        return {"bool": {**parts, "minimum_should_match": least}}

    def _clause(self, clause: Clause, times: int) -> Json:
        node = self._node(clause.node)
        return node if times == 1 else {"bool": {"must": [node], "boost": float(times)}}

    def _terms(self, node: Node) -> int:
        match node:
            case Words(field, terms):
                return len(terms) * (1 if field else len(self._fields.text))
            case Prefix(field):
                return 2 * (1 if field else len(self._fields.text))
            case Either(nodes):
                return sum(self._terms(one) for one in nodes)
        return 1

    def _node(self, node: Node) -> Json:
        match node:
            case Words(field, terms):
                return self._in_fields(field, lambda own, _: [_row(own, terms)])
            case Prefix(field, start, term):
                return self._in_fields(
                    field, lambda own, words: [{"prefix": {words: {"value": start}}}, _row(own, [term])]
                )  # fmt: skip
            case Either(nodes):
                return any_of([self._node(one) for one in nodes])
            case Among() | Between():
                return {"constant_score": {"filter": self._condition(node), "boost": 1.0}}
        raise InvalidInput(f"no such part of a query: {node!r}")

    def _in_fields(self, field: str | None, make: Callable[[str, str], list[Json]]) -> Json:
        names = self._fields.text if field is None else [field]
        queries = []
        for name in names:
            own, words, boost = self._fields.text[name]
            made = make(own, words)
            query = made[0] if len(made) == 1 else _best(made)
            queries.append(query if boost == 1.0 else {"bool": {"must": [query], "boost": boost}})
        if not queries:
            return _NONE
        return queries[0] if len(queries) == 1 else _best(queries)

    def _condition(self, condition: Condition) -> Json:
        own = self._fields.value[condition.field]
        if isinstance(condition, Among):
            return any_of(
                [
                    {"terms": {own: [token(value) for value in part]}}
                    for part in chunks(condition.values, _MAX_VALUES)
                ]
            )
        if condition.high == "":
            return _NONE  # no keyword is empty
        bounds = {"gte": None if condition.low == "" else condition.low, "lte": condition.high}
        given = {
            name: token(bound) if isinstance(bound, str) else bound
            for name, bound in bounds.items()
            if bound is not None
        }
        return {"range": {own: given}} if given else {"exists": {"field": own}}


_BY_SCORE: Final[list[Json]] = [{"_score": "desc"}, {"id": "asc"}]


def exactly(fields: Fields, vector: NDArray[np.float32], filters: Sequence[Json]) -> Json:
    """A query that scores all entries within filters by cosine plus 1."""
    if fields.vectors == "knn_vector":
        asked = {"field": "vector", "query_value": vector.tolist(), "space_type": "cosinesimil"}
        script: Mapping[str, Any] = {"lang": "knn", "source": "knn_score", "params": asked}
    else:
        source = "cosineSimilarity(params.vector, 'vector') + 1.0"
        script = {"source": source, "params": {"vector": vector.tolist()}}
    return {"script_score": {"query": {"bool": {"filter": list(filters)}}, "script": script}}


def _unpacked(packed: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(packed), "<f2").astype(np.float32)


def _row(own: str, terms: Sequence[str]) -> Json:
    if len(terms) == 1:
        return {"term": {own: {"value": terms[0]}}}
    return {"match_phrase": {own: {"query": " ".join(terms), "analyzer": "whitespace"}}}


def _best(queries: list[Json]) -> Json:
    return {"dis_max": {"queries": queries, "tie_breaker": _TIE}}


def any_of(queries: list[Json]) -> Json:
    """At least one of these; of none, nothing."""
    if len(queries) == 1:
        return queries[0]
    if not queries:
        return _NONE
    return {"bool": {"should": queries, "minimum_should_match": 1}}
