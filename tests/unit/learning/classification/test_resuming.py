"""A training that was broken off ends with the very weights that it would have had."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from salient.errors import Conflict
from salient.learning.classification import Checkpoints, TextClassifier, running
from salient.storage.blob import Blobs
from tests.unit.learning.classification.test_model import corpus, small


class Stop(Exception):
    pass


def same(a, b):
    assert a.classes_.tolist() == b.classes_.tolist()
    a._fitted(), b._fitted()
    assert a._rows.tobytes() == b._rows.tobytes()
    assert a._bias.tobytes() == b._bias.tobytes()
    x, y = a._calibration, b._calibration
    assert (x.slope.tobytes(), x.offset.tobytes()) == (y.slope.tobytes(), y.offset.tobytes())


@pytest.fixture(autouse=True)
def slices(monkeypatch):
    monkeypatch.setattr(running, "_SLICE", 37)


@pytest.mark.parametrize("more", [{}, {"early_stopping": True}, {"naive_bayes": True, "loss": "log"}, {"l1": 1e-5}, {"multi_label": True}])  # fmt: skip
def test_broken_off_anywhere_it_ends_the_same(more):
    texts, labels = corpus(200)
    if more.get("multi_label"):
        labels = [(label,) for label in labels]
    whole = small(epochs=3, **more).fit(texts, labels)
    place = Blobs.open("memory:")
    for attempt in range(80):
        slices = iter(range(attempt % 4 + 1))

        def report(done, total, slices=slices):
            assert done <= total
            if next(slices, None) is None:
                raise Stop

        model = small(epochs=3, **more)
        try:
            model.fit(texts, labels, checkpoints=Checkpoints(place, least_s=0), report=report)
        except Stop:
            continue
        break
    else:
        pytest.fail("it never ended")
    same(model, whole)
    assert list(place.list()) == []


def test_what_is_kept_is_of_these_texts_and_settings():
    texts, labels = corpus(100)
    place = Blobs.open("memory:")

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        small().fit(texts, labels, checkpoints=Checkpoints(place, least_s=0), report=stop)
    for other in (small(rate=0.1).fit, small(l2=1e-4).fit):
        with pytest.raises(Conflict, match="other texts or with other settings"):
            other(texts, labels, checkpoints=Checkpoints(place))
    with pytest.raises(Conflict):
        small().fit(texts[1:], labels[1:], checkpoints=Checkpoints(place))
    Checkpoints(place).clear()
    same(small().fit(texts, labels, checkpoints=Checkpoints(place)), small().fit(texts, labels))


def parts(texts, labels, fail_at=None):
    for at in range(0, len(texts), 20):
        if at == fail_at:
            raise OSError("the stream broke")
        yield texts[at : at + 20], labels[at : at + 20]


def test_a_stream_that_fails_midway_is_gone_on_with(tmp_path):
    texts, labels = corpus(200)
    names = ["food", "law", "sea"]
    whole = small().fit_stream(parts(texts, labels), names)
    for fail_at in (60, 60, 140):
        model = small()
        with pytest.raises(OSError, match="broke"):
            model.fit_stream(
                parts(texts, labels, fail_at), names, checkpoints=Checkpoints(tmp_path)
            )
        assert model.n_texts_ == fail_at
        assert len(model.predict(texts[:3])) == 3
    with pytest.raises(Conflict, match="its first texts are others"):
        small().fit_stream(
            parts(texts[::-1], labels[::-1]), names, checkpoints=Checkpoints(tmp_path)
        )
    with pytest.raises(Conflict, match="its first texts are others"):
        small().fit_stream(parts(texts[:60], labels[:60]), names, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(Conflict, match="other settings"):
        small(rate=0.1).fit_stream(parts(texts, labels), names, checkpoints=Checkpoints(tmp_path))
    seen = []
    model = small()
    model.fit_stream(
        parts(texts, labels), names, checkpoints=Checkpoints(tmp_path), report=seen.append
    )
    assert seen == [160, 180, 200]
    same(model, whole)


def test_a_killed_process_is_gone_on_with(tmp_path):
    code = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from salient.learning.classification import Checkpoints, running
        from tests.unit.learning.classification.test_model import corpus, small
        running._SLICE = 37
        def report(done, total):
            print(done, flush=True)
            time.sleep(0.02)
        texts, labels = corpus(200)
        model = small(epochs=4).fit(texts, labels, checkpoints=Checkpoints(Path(sys.argv[1]), least_s=0), report=report)
        model.save(Path(sys.argv[1]) / "model")
        """
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    for how in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        ) as child:
            for _ in range(12):
                child.stdout.readline()
            os.kill(child.pid, how)
            child.wait(30)
    done = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    texts, labels = corpus(200)
    whole = small(epochs=4).fit(texts, labels)
    assert int(done[0]) > 200  # it did not begin anew
    assert int(done[-1]) == 4 * (180 + 200)
    same(TextClassifier.load(tmp_path / "model"), whole)


def test_checkpoints_are_seldom(monkeypatch):
    place = Blobs.open("memory:")
    kept = Checkpoints(place, least_s=5)
    assert not kept.due()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 6)
    assert kept.due()
    kept.keep("t", {"rows": np.zeros(3, np.float32)}, {"phase": "x"})
    assert not kept.due()
    assert kept.loaded("t")[1] == {"phase": "x"}
