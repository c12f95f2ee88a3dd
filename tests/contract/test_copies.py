"""Documents that come, change and go in several threads at once, on every database: their copies are found as if one after another."""

import threading

import pytest

from salient.knowledge.copies.sketch import sketch_of
from salient.knowledge.copies.store import Copies
from salient.storage.sql import Query, Tables
from tests.sql_spaces import DIALECTS, space
from tests.unit.knowledge.copies import stories

VERSION = "0" * 64
STORIES, SITES = 4, 9


def documents():
    """Of each story as many as there are sites, in the order of sites."""
    for site in range(SITES):
        for seed in range(STORIES):
            text = stories.edited(stories.story(seed), 0.03, site)
            sketch = sketch_of(text, "", stories.ids_of(stories.names(seed)))
            yield f"s{seed:02}x{site:02}", sketch


def put(tables, copies, ident, sketch):
    with tables.transaction() as tx:
        copies.remove(tx, [ident])
        copies.put(tx, ident, VERSION, sketch)


def groups(copies):
    return {min(members): sorted(members) for _, members in copies.largest(0, 100)[2]}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What one process makes of it, one document after the other."""
    with Tables.open(f"sqlite:{tmp_path_factory.mktemp('calm')}/t.db") as tables:
        tables.migrate()
        copies = Copies(tables, "w")
        for ident, sketch in documents():
            if not ident.endswith("00"):
                put(tables, copies, ident, sketch)
        copies.gather()
        return groups(copies)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_documents_that_come_at_once_are_held_against_each_other(
    dialect, tmp_path, servers, expected
):
    with space(dialect, tmp_path, servers) as url, Tables.open(url) as tables:
        tables.migrate()
        lock, ended, faults = threading.Lock(), threading.Event(), []

        def gather():
            # Whoever links holds the workspace's lock; who commits does not.
            copies = Copies(tables, "w")
            while not ended.is_set():
                with lock:
                    copies.gather()

        def commit(some):
            copies = Copies(tables, "w")
            try:
                for ident, sketch in some:
                    put(tables, copies, ident, sketch)
                for ident, _ in some:
                    if ident.endswith("00"):
                        with tables.transaction() as tx:
                            copies.remove(tx, [ident])
            except Exception as error:
                faults.append(error)
                raise

        given = list(documents())
        linking = threading.Thread(target=gather)
        committing = [threading.Thread(target=commit, args=(given[n::3],)) for n in range(3)]
        for thread in (linking, *committing):
            thread.start()
        for thread in committing:
            thread.join()
        ended.set()
        linking.join()
        assert not faults
        copies = Copies(tables, "w")
        copies.gather()
        assert groups(copies) == expected
        with tables.read() as tx:
            there = {r.document_id for r in tx.rows(Query("SELECT document_id FROM sketch"))}
            grouped = {r.document_id for r in tx.rows(Query("SELECT document_id FROM copy_group"))}
        assert there == {ident for ident, _ in given if not ident.endswith("00")}
        assert grouped <= there
