"""Names, versions and what of them may go: the registry of models over embedded stores."""

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable, Unsupported
from salient.learning.registry import Manifest, Registry, State
from salient.learning.registry.files import FILES, MANIFESTS
from salient.learning.registry.history import History
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue


@pytest.fixture
def blobs():
    with Blobs.open("memory:") as opened:
        yield opened


@pytest.fixture
def kv():
    with KeyValue.open("memory:") as opened:
        yield opened


@pytest.fixture
def registry(blobs, kv, tmp_path):
    with Registry(blobs, kv, tmp_path / "cache") as opened:
        yield opened


@pytest.fixture
def model(tmp_path):
    """Makes a folder with these files."""

    def make(**files):
        folder = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
        for name, content in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    return make


def read(registry, name, version=None):
    with registry.open(name, version) as opened:
        return opened.file("a").read_bytes().decode()


class TestPublishing:
    def test_what_was_published_is_opened_by_its_name(self, registry, model):
        version = registry.publish("one", model(a="A", sub__b=b"B"))
        with registry.open("one") as opened:
            assert opened.version == version
            assert {n: (opened.path / n).read_text() for n in opened.digests} == {
                "a": "A",
                "sub/b": "B",
            }

    def test_equal_contents_are_one_version_wherever_they_lie(self, registry, model):
        first = registry.publish("one", model(a="A"))
        assert registry.publish("two", model(a="A")) == first
        assert registry.publish("one", model(a="A")) == first
        assert [s.seq for s in registry.history("one")] == [1]

    def test_contents_that_are_there_are_not_put_again(self, registry, blobs, model):
        registry.publish("one", model(a="A", b="B"))
        before = {e.key: e.version for e in blobs.entries(FILES)}
        registry.publish("one", model(a="A", b="C"))
        after = {e.key: e.version for e in blobs.entries(FILES)}
        assert before.items() <= after.items()
        assert len(after) == 3

    def test_a_folder_that_is_none_or_empty_or_odd_is_refused(self, registry, model, tmp_path):
        odd = model(a="A")
        os.mkfifo(odd / "pipe")
        linked = model(a="A")
        (linked / "below").symlink_to(odd, target_is_directory=True)
        bad_name = model(a="A")
        (bad_name / os.fsdecode(b"\xff")).write_text("x")
        (tmp_path / "empty").mkdir()
        for folder in (tmp_path / "none", tmp_path / "empty", odd, linked, bad_name):
            with pytest.raises(InvalidInput):
                registry.publish("one", folder)
        assert registry.names() == []

    @pytest.mark.parametrize("name", ["", "A", "a/b", "../a", "a" * 101, ".a", "a\0", "é"])
    def test_a_name_that_cannot_be_is_refused(self, registry, model, name):
        for act in (registry.open, registry.state, lambda n: registry.publish(n, model(a="A"))):
            with pytest.raises(InvalidInput):
                act(name)

    def test_a_file_that_changes_meanwhile_publishes_nothing(self, registry, blobs, model):
        folder = model(a="A", b="B")
        manifest = Manifest.of(folder)
        (folder / "b").write_text("changed")
        with pytest.raises(Conflict, match="'b' was changed"):
            registry._stored.put(manifest, folder, anew=False)
        assert len(list(blobs.list(FILES))) <= 1

    def test_many_publishers_at_once_leave_one_history(self, registry, blobs, model, tmp_path):
        folders = [model(a=str(i)) for i in range(8)]
        with ThreadPoolExecutor(8) as threads:
            versions = list(threads.map(lambda f: registry.publish("one", f), folders))
        states = list(registry.history("one"))
        assert sorted(s.version for s in states) == sorted(versions)
        assert [s.seq for s in states] == list(range(8, 0, -1))
        assert registry.state("one") == states[0]

    def test_a_registry_without_key_value_store_only_reads(self, registry, blobs, model, tmp_path):
        registry.publish("one", model(a="A"))
        with Registry(blobs, None, tmp_path / "other") as reading:
            assert read(reading, "one") == "A"
            for act in (
                lambda: reading.publish("one", model(a="B")),
                lambda: reading.rollback("one"),
                reading.gc,
            ):
                with pytest.raises(Unsupported):
                    act()


class TestPointer:
    def test_a_lost_pointer_comes_back_from_the_history(self, registry, kv, model):
        registry.publish("one", model(a="A"))
        second = registry.publish("one", model(a="B"))
        for key in list(kv.scan("model/current/")):
            kv.delete(key)
        assert registry.state("one").version == second
        assert kv.get("model/current/one") is not None

    def test_a_pointer_that_is_behind_or_damaged_is_brought_up(self, registry, kv, model):
        registry.publish("one", model(a="A"))
        old = kv.get("model/current/one")
        second = registry.publish("one", model(a="B"))
        kv.put("model/current/one", old)
        assert registry.state("one", sure=True).version == second
        kv.put("model/current/one", b"{nonsense")
        assert registry.state("one").version == second
        assert registry.state("one").version == second

    def test_a_pointer_that_is_behind_does_not_fork_the_history(self, registry, kv, model):
        registry.publish("one", model(a="A"))
        old = kv.get("model/current/one")
        registry.publish("one", model(a="B"))
        kv.put("model/current/one", old)
        registry.publish("one", model(a="C"))
        assert [s.seq for s in registry.history("one")] == [3, 2, 1]
        assert read(registry, "one") == "C"

    def test_while_the_key_value_store_is_away_names_are_read_from_the_history(
        self, registry, blobs, model, tmp_path
    ):
        registry.publish("one", model(a="A"))
        with KeyValue.open("memory:") as gone:
            lost = Registry(blobs, gone, tmp_path / "other")
        with lost:
            assert read(lost, "one") == "A"
            with pytest.raises(Unavailable):
                lost.publish("one", model(a="B"))

    def test_what_a_pointer_that_is_behind_names_may_be_gone(self, registry, kv, model):
        registry.publish("one", model(a="A"))
        old = kv.get("model/current/one")
        registry.publish("one", model(a="B"))
        registry.gc(keep=1, min_age_s=0)
        kv.put("model/current/one", old)
        assert read(registry, "one") == "B"

    @given(steps=st.lists(st.sampled_from("ABCr"), max_size=12))
    def test_rolling_back_pops_what_publishing_pushed(self, steps):
        line = []
        with Blobs.open("memory:") as blobs:
            history = History(blobs, None)
            for step in steps:
                if step != "r":
                    line.append(step)
                    history.change("one", lambda s, v=step: s.published(v) if s else State.first(v))
                elif len(line) > 1:
                    line.pop()
                    _, to = itertools.islice(history.line("one"), 2)
                    history.change("one", lambda s, to=to: s.rolled_back(to))
                assert [s.version for s in history.line("one")] == line[::-1]


class TestPinAndRollback:
    def test_a_pinned_version_is_served_whatever_is_published(self, registry, model):
        first = registry.publish("one", model(a="A"))
        registry.pin("one", first[:12])
        second = registry.publish("one", model(a="B"))
        assert read(registry, "one") == "A"
        assert registry.unpin("one").served == second
        assert read(registry, "one") == "B"

    def test_only_a_version_of_that_name_can_be_pinned(self, registry, model):
        registry.publish("one", model(a="A"))
        other = registry.publish("two", model(a="B"))
        with pytest.raises(NotFound):
            registry.pin("one", other)
        with pytest.raises(NotFound):
            registry.pin("none", other)

    def test_rolling_back_goes_past_what_was_rolled_back_before(self, registry, model):
        for content in "AB":
            registry.publish("one", model(a=content))
        registry.rollback("one")
        registry.publish("one", model(a="C"))
        registry.rollback("one")
        assert read(registry, "one") == "A"  # not B, which was found bad

    def test_there_may_be_nothing_to_roll_back_to(self, registry, model):
        registry.publish("one", model(a="A"))
        with pytest.raises(NotFound, match="before"):
            registry.rollback("one")
        with pytest.raises(NotFound):
            registry.rollback("none")
        registry.pin("one", registry.state("one").version)
        with pytest.raises(Conflict, match="pinned"):
            registry.rollback("one")

    def test_versions_are_named_by_their_first_characters(self, registry, model):
        first = registry.publish("one", model(a="A"))
        registry.publish("one", model(a="B"))
        assert read(registry, "one", first[:8]) == "A"
        for short in (first[:7], "x" * 8, "../" * 4):
            with pytest.raises(InvalidInput):
                registry.open("one", short)
        for unknown in ("0" * 8, "0" * 64):
            with pytest.raises(NotFound):
                registry.open("one", unknown)


class TestCollection:
    def test_what_may_be_wanted_stays(self, registry, blobs, model):
        versions = [registry.publish("one", model(a=c)) for c in "ABCDEF"]
        registry.pin("one", versions[0])
        with registry.open("one", versions[1]):
            swept = registry.gc(keep=2, min_age_s=0)
            assert set(swept.versions) == {versions[2], versions[3]}
        assert set(registry.gc(keep=2, min_age_s=0).versions) == {versions[1]}
        left = {k.removeprefix(MANIFESTS) for k in blobs.list(MANIFESTS)}
        assert left == {versions[0], versions[4], versions[5]}
        assert len(list(blobs.list(FILES))) == 3

    def test_what_is_young_stays(self, registry, model):
        for content in "ABC":
            registry.publish("one", model(a=content))
        assert registry.gc(keep=1, min_age_s=3600).versions == ()
        assert len(registry.gc(keep=1, min_age_s=0).versions) == 2

    def test_files_that_two_versions_share_stay_until_both_are_gone(self, registry, blobs, model):
        registry.publish("one", model(a="A", shared="S"))
        registry.publish("one", model(a="B", shared="S"))
        registry.gc(keep=1, min_age_s=0)
        assert len(list(blobs.list(FILES))) == 2
        with registry.open("one") as opened:
            assert opened.file("shared").read_text() == "S"

    def test_what_another_machine_holds_stays(self, registry, blobs, kv, model, tmp_path):
        first = registry.publish("one", model(a="A"))
        with Registry(blobs, kv, tmp_path / "elsewhere") as other:
            opened = other.open("one")
            registry.publish("one", model(a="B"))
            assert registry.gc(keep=1, min_age_s=0).versions == ()
            opened.close()
            assert registry.gc(keep=1, min_age_s=0).versions == (first,)

    def test_publishing_at_the_same_time_loses_nothing(self, registry, model):
        folders = [model(a=str(i), same="S") for i in range(6)]
        ended = threading.Event()

        def collect():
            while not ended.is_set():
                registry.gc(keep=1, min_age_s=0)

        with ThreadPoolExecutor(1) as threads:
            collecting = threads.submit(collect)
            for i, folder in enumerate([*folders, *folders]):
                registry.publish("one", folder)
                with registry.open("one") as opened:
                    assert opened.file("a").read_text() == str(i % len(folders))
                    assert registry.verify("one") == ([], [])
            ended.set()
            collecting.result()

    def test_one_manifest_that_cannot_be_read_keeps_all_files(self, registry, blobs, model):
        version = registry.publish("one", model(a="A"))
        registry.publish("one", model(a="B"))
        blobs.put(MANIFESTS + version, b"{}")
        with pytest.raises(Corrupt):
            registry.gc(keep=2, min_age_s=0)
        assert len(list(blobs.list(FILES))) == 2

    def test_rolling_back_passes_over_what_was_collected(self, registry, model):
        for content in "ABCD":
            registry.publish("one", model(a=content))
        registry.pin("one", [*registry.history("one")][-1].version)
        registry.gc(keep=1, min_age_s=0)
        registry.unpin("one")
        assert registry.rollback("one").served
        assert read(registry, "one") == "A"


class TestDamage:
    def test_a_damaged_blob_is_refused_and_published_anew(self, registry, blobs, model):
        folder = model(a="A", b="B")
        registry.publish("one", folder)
        key = next(blobs.list(FILES))
        blobs.put(key, b"X")
        with pytest.raises(Corrupt, match="publish"):
            registry.open("one")
        assert len(registry.verify("one")[0]) == 1
        registry.publish("one", folder, anew=True)
        assert registry.verify("one") == ([], [])
        assert read(registry, "one") == "A"

    def test_a_lost_blob_is_refused_and_put_again(self, registry, blobs, model):
        folder = model(a="A")
        registry.publish("one", folder)
        blobs.delete_prefix(FILES)
        with pytest.raises(Corrupt, match="lacks"):
            registry.open("one")
        registry.publish("one", folder)
        assert read(registry, "one") == "A"

    @pytest.mark.parametrize(
        "path", ["../out", "/etc/out", "a/../../out", "", "a//b", "./a", "a\0"]
    )
    def test_a_manifest_cannot_reach_out_of_its_folder(self, registry, blobs, path):
        import hashlib
        import json

        rows = [[path, "0" * 64, 1]]
        data = json.dumps({"files": rows, "format": 1}, separators=(",", ":")).encode()
        version = hashlib.sha256(data).hexdigest()
        blobs.put(MANIFESTS + version, data)
        with pytest.raises(Corrupt, match="no proper files"):
            registry.open("one", version)


class TestArrays:
    def test_arrays_are_mapped_read_only_and_outlive_the_model(self, registry, tmp_path):
        from salient.model import columns

        folder = tmp_path / "made"
        folder.mkdir()
        rows = np.arange(12, dtype=np.float32).reshape(3, 4)
        np.save(folder / "a.npy", rows)
        (folder / "c.columns").write_bytes(columns.dump({"rows": rows}, {"n": 3}))
        header = b'{"rows":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]}}'
        (folder / "t.safetensors").write_bytes(
            len(header).to_bytes(8, "little") + header + rows.tobytes()
        )
        registry.publish("one", folder)
        with registry.open("one") as opened:
            found = [
                opened.array("a.npy"),
                opened.array("c.columns", "rows"),
                opened.array("t.safetensors", "rows"),
            ]
            assert opened.columns("c.columns")[0] == {"n": 3}
        for array in found:
            np.testing.assert_array_equal(array, rows)
            assert not array.flags.writeable

    def test_what_is_no_array_says_so(self, registry, model):
        registry.publish("one", model(a="A", **{"b.npy": b"\x93NUMPY", "c.columns": b"", "d.safetensors": b"\0" * 7}))  # fmt: skip
        with registry.open("one") as opened:
            for file, name in (("b.npy", None), ("c.columns", "x"), ("d.safetensors", "x")):
                with pytest.raises(Corrupt):
                    opened.array(file, name)
            for file, name in (("a", None), ("b.npy", "x"), ("c.columns", None)):
                with pytest.raises(InvalidInput):
                    opened.array(file, name)
            with pytest.raises(NotFound):
                opened.array("../a")

    def test_arrays_of_python_objects_are_not_read(self, registry, tmp_path):
        folder = tmp_path / "made"
        folder.mkdir()
        np.save(folder / "a.npy", np.array([{}], object), allow_pickle=True)
        registry.publish("one", folder)
        with registry.open("one") as opened, pytest.raises(Corrupt):
            opened.array("a.npy")
