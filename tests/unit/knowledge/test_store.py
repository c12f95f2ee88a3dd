"""A document's rows are replaced as a whole."""

import pytest

from salient.errors import InvalidInput
from salient.storage.sql import Query


def count(bench):
    counts = {}
    with bench.tables.read() as tx:
        for table in ("mention", "name_document", "finding", "name"):
            counts[table] = tx.value(Query(f"SELECT COUNT(*) FROM {table}"))
    return counts


def test_putting_a_document_twice_is_putting_it_once(bench):
    bench.put("d", "Halden Maritime AS", "Acme Ltd")
    once = count(bench)
    bench.put("d", "Halden Maritime AS", "Acme Ltd")
    assert count(bench) == once


def test_what_a_document_no_longer_says_is_gone(bench):
    bench.put("d", "Halden Maritime AS", "Acme Ltd")
    touched = bench.put("d", "Acme Ltd")
    assert len(touched) == 2
    assert count(bench)["mention"] == 1


def test_a_removed_document_leaves_the_others(bench):
    bench.put("a", "Acme Ltd")
    bench.put("b", "Acme Ltd")
    assert len(bench.drop("a")) == 1
    assert count(bench)["mention"] == 1
    assert bench.drop("a") == set()


def test_a_failed_transaction_leaves_what_was_there(bench):
    bench.put("d", "Acme Ltd")
    before = count(bench)
    gone = bench.store.remove_document

    def removed_and_failed():
        with bench.tables.transaction() as tx:
            gone(tx, "d")
            bench.put("e", "a transaction within a transaction")

    with pytest.raises(InvalidInput):
        removed_and_failed()
    assert count(bench) == before
