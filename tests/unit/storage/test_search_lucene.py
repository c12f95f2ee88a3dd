"""What OpenSearch is asked for vectors: no stand-in here has them, so a fake of their documented form answers."""

import base64

import numpy as np
import pytest

from salient.storage.search import Field, IndexSchema, Restriction
from salient.storage.search.generations import View
from salient.storage.search.lucene import Fields, Reader

SCHEMA = IndexSchema((Field("text", "text"),), vector_dim=2)
VECTORS = {n: np.array([np.cos(n * n / 10), np.sin(n * n / 10)], np.float32) for n in range(6)}


class Server:
    """Answers `script_score` and `knn` queries over VECTORS, as OpenSearch documents them."""

    def __init__(self):
        self.asked = []

    def ask(self, body):
        self.asked.append(body)
        if body["size"] == 0:
            return {"hits": {"total": {"value": len(VECTORS)}}}
        ((kind, query),) = body["query"].items()
        if kind == "knn":
            assert set(query["vector"]) == {"vector", "k", "filter"}
            asked, most = query["vector"]["vector"], query["vector"]["k"]
        else:
            params = query["script"]["params"]
            assert (query["script"]["lang"], query["script"]["source"]) == ("knn", "knn_score")
            assert (params["field"], params["space_type"]) == ("vector", "cosinesimil")
            asked, most = params["query_value"], body["size"]
        best = sorted(VECTORS, key=lambda n: -float(VECTORS[n] @ np.array(asked)))[:most]
        return {"hits": {"hits": [{"_id": str(n), "_score": 0.5} for n in best]}}

    def get(self, idents, parts):
        assert parts == ["packed"]
        packed = {n: base64.b64encode(VECTORS[n].astype("<f2").tobytes()).decode() for n in idents}
        return {n: {"packed": text} for n, text in packed.items()}


@pytest.mark.parametrize(("exact", "kind"), [(100, "script_score"), (0, "knn")])
def test_opensearch_is_asked_in_its_own_way(exact, kind):
    server = Server()
    fields = Fields(SCHEMA, "knn_vector")
    reader = Reader(server.ask, server.get, fields, View(3, 0), exact)
    found = reader.nearest(VECTORS[2], Restriction(), limit=3)
    assert [n for n, _ in found] == [2, 1, 0]
    assert [score for _, score in found] == pytest.approx([1, np.cos(0.3), np.cos(0.4)], abs=2e-3)
    assert list(server.asked[-1]["query"]) == [kind]
    filters = str(server.asked[-1])
    assert "'born'" in filters
    assert "'died'" in filters


def test_vector_fields_are_of_the_servers_type():
    knn = Fields(SCHEMA, "knn_vector").mapping["properties"]["vector"]
    assert (knn["type"], knn["dimension"]) == ("knn_vector", 2)
    assert knn["method"]["space_type"] == "cosinesimil"
    dense = Fields(SCHEMA, "dense_vector").mapping["properties"]["vector"]
    assert (dense["type"], dense["dims"], dense["similarity"]) == ("dense_vector", 2, "cosine")
    assert "vector" not in Fields(IndexSchema(SCHEMA.fields), "knn_vector").mapping["properties"]
