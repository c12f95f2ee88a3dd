"""The embedded index on its files: kills, damage, other processes, growth."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from salient.errors import Corrupt, Unavailable
from salient.storage.search import Entry, Field, IndexSchema, Query, SearchIndex
from salient.storage.search.vectors import VectorReader, VectorWriter, dead_ids

SCHEMA = IndexSchema((Field("text", "text"),), 32)

WRITER = """
    import sys
    import numpy as np
    from salient.storage.search import Entry, Field, IndexSchema, SearchIndex
    index = SearchIndex.open(sys.argv[1], IndexSchema((Field("text", "text"),), 32))
    rng = np.random.default_rng(int(sys.argv[2]))
    def put(name, n=50):
        index.delete_group("g")
        index.put([Entry(f"{name}:{i}", "g", {"text": f"word {name}"},
                         rng.standard_normal(32).astype(np.float32)) for i in range(n)])
"""


def start(body, *args):
    code = textwrap.dedent(WRITER) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def finish(process):
    process.stdin.close()
    process.stdout.close()
    return process.wait(60)


def vectors(n, dim=32, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_killed_writer_leaves_the_last_commit_and_no_lock(tmp_path):
    url = f"embedded:{tmp_path}/index?timeout_s=20"
    process = start(
        "put('first'); index.commit(); put('second', 5000); print('ready', flush=True); sys.stdin.read()",
        url, 1,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGKILL)
    finish(process)
    with SearchIndex.open(url, SCHEMA) as index:
        assert index.count() == 50
        assert index.search(Query("first")).total == 50
        assert index.search(Query("second")).total == 0
        assert index.vectors("g").shape == (50, 32)
        asked = Query(vector=vectors(1)[0], nearest=200)
        assert {h.key.split(":")[0] for h in index.search(asked).hits} == {"first"}
        index.delete_group("g")
        index.put([Entry("new", "g", {"text": "word"}, vectors(1)[0])])
        index.commit()
        (hit,) = index.search(asked).hits
        assert (hit.key, hit.vector_score) == ("new", pytest.approx(1.0, abs=1e-3))


@pytest.mark.parametrize("seed", range(3))
def test_kill_at_any_moment_leaves_a_whole_commit(tmp_path, seed):
    url = f"embedded:{tmp_path}/index?timeout_s=20"
    body = "i = 0\nwhile True:\n    put(str(i)); index.commit(); print(i, flush=True); i += 1\n"
    process = start(body, url, seed)
    process.stdout.readline()
    time.sleep(0.05 + 0.11 * seed)
    os.kill(process.pid, signal.SIGKILL)
    said = [int(line) for line in process.stdout.read().split()]
    finish(process)
    with SearchIndex.open(url, SCHEMA) as index:
        hits = index.search(Query("word", vector=vectors(1)[0], limit=200, nearest=200)).hits
        assert len(hits) == index.count() == 50
        (commit,) = {int(h.key.split(":")[0]) for h in hits}
        assert commit >= max(said, default=0)  # what was acknowledged is there
        assert all(h.vector_score is not None for h in hits)
        assert len(index.vectors("g")) == 50


def test_other_process_sees_a_commit_and_waits_for_the_lock(tmp_path):
    url = f"embedded:{tmp_path}/index?timeout_s=30"
    with SearchIndex.open(url, SCHEMA) as index:
        index.put([Entry("mine", "m", {"text": "word"})])
        process = start("put('other'); index.commit()", url, 1)
        time.sleep(0.3)
        assert process.poll() is None
        index.commit()
        assert finish(process) == 0
        assert index.count() == 51
        assert index.search(Query("other")).total == 50


def test_many_processes_may_make_the_index_at_once(tmp_path):
    url = f"embedded:{tmp_path}/index?timeout_s=30"
    processes = [
        start("index.put([Entry(sys.argv[2], 'g', {'text': 'x'})]); index.commit()", url, i)
        for i in range(3)
    ]
    assert [finish(p) for p in processes] == [0, 0, 0]
    with SearchIndex.open(url, SCHEMA) as index:
        assert index.count() == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index"]


@pytest.mark.parametrize("name", ["salient.json", "words/meta.json"])
def test_damaged_index_says_so(tmp_path, name):
    url = f"embedded:{tmp_path}/index"
    with SearchIndex.open(url, SCHEMA) as index:
        index.put([Entry("k", "g", {"text": "x"}, vectors(1)[0])])
        index.commit()
    (tmp_path / "index" / name).write_bytes(b"\x00garbage")
    with pytest.raises(Corrupt):
        SearchIndex.open(url, SCHEMA)


def test_index_whose_files_are_gone_is_unavailable(tmp_path):
    url = f"embedded:{tmp_path}/index"
    with SearchIndex.open(url, SCHEMA) as index:
        index.put([Entry("k", "g", {"text": "x"}, vectors(1)[0])])
        index.commit()
        (tmp_path / "index").rename(tmp_path / "elsewhere")
        with pytest.raises(Unavailable):
            index.search(Query("x"))
        with pytest.raises(Unavailable):
            index.put([Entry("k", "g", {"text": "x"})])


def test_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "thesis.txt").write_text("precious")
    with pytest.raises(Unavailable):
        SearchIndex.open(f"embedded:{tmp_path}/index", SCHEMA)
    assert (tmp_path / "index" / "thesis.txt").read_text() == "precious"


def test_memory_index_goes_with_its_store():
    index = SearchIndex.open("embedded::memory:", SCHEMA)
    folder = index._driver._folder
    assert folder.exists()
    index.close()
    assert not folder.exists()


def test_replacing_over_and_over_does_not_fill_the_disk(tmp_path):
    with SearchIndex.open(f"embedded:{tmp_path}/index", SCHEMA) as index:
        old = SearchIndex.open(f"embedded:{tmp_path}/index", SCHEMA)
        rows = vectors(2000)
        for turn in range(8):
            if turn % 2:
                index.delete_group("g")
            index.put([Entry(str(i), "g", {"text": f"turn{turn}"}, rows[i]) for i in range(2000)])
            index.commit()
            if turn == 2:
                assert old.search(Query(vector=rows[7], limit=1)).hits[0].key == "7"
        assert index.count() == 2000
        kept = sum(p.stat().st_size for p in (tmp_path / "index/vectors").glob("*.ids")) // 8
        assert kept <= 6000
        for store in (index, old):
            for i in (0, 7, 1999):
                hit = store.search(Query(vector=rows[i], limit=1)).hits[0]
                assert (hit.key, hit.score) == (str(i), pytest.approx(1.0, abs=1e-3))
        old.close()


def test_scan_of_bits_finds_nearly_all_of_the_nearest(tmp_path):
    """Rows as embeddings are: in clusters, and with most of their spread in few directions."""
    rng = np.random.default_rng(1)
    n, dim = 30_000, 64
    spread = (1 / np.sqrt(np.arange(1, dim + 1))).astype(np.float32)
    rows = (
        rng.standard_normal((n, dim), np.float32)
        + rng.standard_normal((500, dim), np.float32)[rng.integers(0, 500, n)]
    )
    rows = rows * spread + 0.3
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    writer = VectorWriter(tmp_path, dim)
    writer.append(range(n), rows)
    writer.bury([5, 6])
    reader = VectorReader(tmp_path, dim, dead_ids(tmp_path))
    found = 0
    for query in rows[:40] + 0.02:
        query = query / np.linalg.norm(query)
        exact = rows @ query
        exact[[5, 6]] = -2
        ids, scores = reader.nearest(query, 10)
        assert not {5, 6} & set(ids.tolist())
        assert (np.diff(scores) <= 0).all()
        found += len(set(np.argsort(-exact)[:10].tolist()) & set(ids.tolist()))
    assert found >= 0.95 * 400


def test_rows_that_a_killed_writer_half_wrote_are_cut_off(tmp_path):
    writer = VectorWriter(tmp_path, 32)
    rows = vectors(10)
    writer.append(range(10), rows)
    (ids,) = tmp_path.glob("*.ids")
    (raw,) = tmp_path.glob("*.rows")
    with raw.open("ab") as out:
        out.write(b"half a row")
    with ids.open("ab") as out:
        out.write(b"abc")
    again = VectorWriter(tmp_path, 32)
    assert again.next_id() == 10
    again.append([10, 12], rows[:2])
    reader = VectorReader(tmp_path, 32, dead_ids(tmp_path))
    np.testing.assert_allclose(reader.rows([12, 11, 3]), rows[[1, 3]], atol=1e-3)
    found, _ = reader.nearest(rows[3], 1)
    assert found.tolist() == [3]


def test_similarity_is_that_of_half_floats_exactly(tmp_path):
    rows = vectors(500)
    rows[0, :4] = [0.0, -0.0, 6e-8, -6e-8]  # denormal as half floats
    VectorWriter(tmp_path, 32).append(range(500), rows)
    reader = VectorReader(tmp_path, 32, dead_ids(tmp_path))
    query = vectors(1, seed=9)[0]
    found = reader.similarities(query, range(500))
    wanted = rows.astype(np.float16).astype(np.float32) @ query
    np.testing.assert_allclose([found[i] for i in range(500)], wanted, atol=1e-6)
