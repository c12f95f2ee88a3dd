"""A survey counts every file and draws a few, whatever their number and names."""

import os
from collections import Counter

import pytest

from salient.errors import NotFound
from salient.pipeline import survey as surveying
from salient.pipeline.costs import Costs

LARGEST = 10_000


def survey(folder, **more):
    return surveying.survey([str(folder)], Costs(), max_file_bytes=LARGEST, **more)


def test_files_are_counted_by_kind_and_size(tmp_path):
    for name, size in {"a.txt": 0, "b.txt": 1024, "c.txt": 1025, "d.txt": 4096, "e.pdf": 10}.items():  # fmt: skip
        (tmp_path / name).write_bytes(b"x" * size)
    found = survey(tmp_path)
    assert {k: s.n_files for k, s in found.strata.items()} == {
        ("text", 5): 2,
        ("text", 6): 2,
        ("pdf", 5): 1,
    }
    assert (found.n_files, found.n_bytes) == (5, 6155)
    expected = sum(Costs().expected_s("x.txt", size) for size in (1025, 4096))
    assert found.strata["text", 6].expected_s == pytest.approx(expected)


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path):
    (tmp_path / "good.txt").write_text("x")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "large.txt").write_bytes(b"x" * (LARGEST + 1))
    found = survey(tmp_path)
    assert (found.n_files, found.n_unreadable, found.n_too_large) == (1, 2, 1)
    assert [line.partition(":")[0] for line in found.unreadable] == ["gone.txt", "pipe.txt"]


def test_names_that_are_no_utf8_are_files_like_others(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"12345")
    found = survey(tmp_path)
    assert (found.n_files, found.n_bytes, found.n_unreadable) == (1, 5, 0)


def test_the_list_of_unreadable_files_has_an_end(tmp_path):
    for n in range(60):
        (tmp_path / f"{n:02}.txt").symlink_to(tmp_path / "nowhere")
    found = survey(tmp_path)
    assert (found.n_unreadable, len(found.unreadable)) == (60, 20)


def test_a_path_that_is_not_there_is_the_callers_fault(tmp_path):
    with pytest.raises(NotFound):
        survey(tmp_path / "nowhere")


@pytest.fixture
def many(tmp_path):
    for n in range(120):
        (tmp_path / f"{n:03}.txt").write_bytes(b"x")
    return tmp_path


def test_no_more_are_kept_than_asked_for(many):
    found = survey(many, per_stratum=10)
    (stratum,) = found.strata.values()
    assert (stratum.n_files, len(stratum.drawn)) == (120, 10)
    assert len({d.source.key for d in stratum.drawn}) == 10


def test_the_same_seed_draws_the_same(many):
    def names(seed):
        (stratum,) = survey(many, per_stratum=10, seed=seed).strata.values()
        return [d.source.name for d in stratum.drawn]

    assert names(1) == names(1)
    assert names(1) != names(2)


def test_early_and_late_files_are_drawn_alike_and_come_first_alike(many):
    first, kept = Counter(), Counter()
    for seed in range(300):
        (stratum,) = survey(many, per_stratum=12, seed=seed).strata.values()
        kept.update(int(d.source.name[:3]) // 40 for d in stratum.drawn)
        first[int(stratum.drawn[0].source.name[:3]) // 40] += 1
    # 1200 and 100 are expected of each third; five standard deviations are 140 and 41.
    assert all(1060 < kept[third] < 1340 for third in range(3))
    assert all(59 < first[third] < 141 for third in range(3))
