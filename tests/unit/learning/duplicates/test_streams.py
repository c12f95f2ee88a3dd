"""A stream that was broken off, or got more texts, gives what one stream of all of them gives."""

import numpy as np
import pytest

from salient.errors import Conflict, Corrupt
from salient.learning.duplicates import NearDuplicates, Stream, clear, streams
from salient.storage.blob import Blobs
from tests.unit.learning.duplicates.test_model import edited, joined, text_of


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(streams, "BATCH", 16)
    monkeypatch.setattr(streams, "_MOST", 32)
    monkeypatch.setattr(streams, "_LEAST_S", 0.0)


@pytest.fixture
def texts():
    """Every third text comes again with edits, near and far behind the first."""
    own = [text_of(seed) for seed in range(60)]
    again = [edited(own[at], 0.03, at) for at in range(0, 60, 3)]
    order = np.random.default_rng(1).permutation(80)
    return [joined([*own, *again][at]) for at in order.tolist()]


@pytest.fixture
def sketched(monkeypatch):
    """How many texts were sketched."""
    counted = []
    own = NearDuplicates.sketch

    def sketch(self, given):
        counted.append(len(given))
        return own(self, given)

    monkeypatch.setattr(NearDuplicates, "sketch", sketch)
    return counted


def read(place, texts, step=7, first=0, **params):
    """Texts with their number as key, in parts."""
    stream = Stream(NearDuplicates(**params), place)
    numbers = [
        stream.take([str(first + i) for i in range(at, min(at + step, len(texts)))], texts[at : at + step])
        for at in range(0, len(texts), step)
    ]  # fmt: skip
    return stream, np.concatenate(numbers).tolist()


def whole(texts):
    stream, _ = read(None, texts)
    return stream.finish()


def same(one, other):
    assert one.labels_.tolist() == other.labels_.tolist()
    assert one.pairs().tolist() == other.pairs().tolist()
    assert [k.tolist() for k, _ in one._bands.segments] == [
        k.tolist() for k, _ in other._bands.segments
    ]


@pytest.mark.parametrize("stop", [0, 5, 16, 40, 79])
def test_what_was_broken_off_goes_on(tmp_path, texts, sketched, stop):
    expected = whole(texts)
    assert (np.bincount(expected.labels_) > 1).sum() == 20
    sketched.clear()
    read(tmp_path / "s", texts[:stop] or texts[:1])  # never finished, as if killed
    stream, numbers = read(tmp_path / "s", texts)
    assert numbers == list(range(80))
    assert stream.n_known == stop // 16 * 16
    same(stream.finish(), expected)
    assert sum(sketched) == 80 + max(stop, 1) - stop // 16 * 16


def test_only_appended_texts_are_sketched(tmp_path, texts, sketched):
    expected = whole(texts)
    place = Blobs.open("memory:")
    for n in (3, 21, 22, 50, 80, 80):
        sketched.clear()
        stream, _ = read(place, texts[:n], step=9)
        known = stream.n_known
        found = stream.finish()
        assert sum(sketched) == n - known
    assert known == 80
    same(found, expected)


def test_what_comes_in_between_is_numbered_last(texts):
    place = Blobs.open("memory:")
    stream, _ = read(place, texts[10:], first=10)
    stream.finish()
    stream, numbers = read(place, texts)
    assert numbers == [*range(70, 80), *range(70)]
    same(stream.finish(), whole(texts[10:] + texts[:10]))


def test_other_texts_and_settings_are_refused(tmp_path, texts):
    read(tmp_path / "s", texts)[0].finish()
    with pytest.raises(Conflict, match="text at 4 "):
        read(tmp_path / "s", [*texts[:4], "another", *texts[5:]])
    with pytest.raises(Conflict, match="1 texts that were read before"):
        read(tmp_path / "s", texts[:-1])[0].finish()
    with pytest.raises(Conflict, match="other settings"):
        read(tmp_path / "s", texts, threshold=0.4)
    same(read(tmp_path / "s", texts, threads=2)[0].finish(), whole(texts))
    clear(tmp_path / "s")
    assert read(tmp_path / "s", texts, threshold=0.4)[0].n_known == 0


def test_damage_is_told(texts):
    place = Blobs.open("memory:")
    read(place, texts)[0].finish()
    keys = sorted(place.list("duplicates/"))
    place.put(keys[0], bytes(place.get(keys[0]))[:-40])
    with pytest.raises(Corrupt):
        read(place, texts)
    place.put(keys[0], bytes(place.get(keys[1])))
    with pytest.raises(Corrupt, match="fit together"):
        read(place, texts)


def test_nothing_is_nothing():
    assert Stream(NearDuplicates(), Blobs.open("memory:")).finish().labels_.tolist() == []
