"""Every encoder keeps its promises, and damaged or missing weights say so."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.errors import Corrupt, InvalidInput, Misconfigured
from salient.learning import open_encoder, vectors
from salient.learning.vectors import ENCODERS, HashingEncoder, PotionEncoder, mapped_tensor

WORDS = ["[UNK]", "lease", "rent", "tenant", "ship", "sea", "zinc", "naïve", "zero"]
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from([*WORDS, "Rent", "unheard", ".", "\ud800"]), max_size=8).map(" ".join),
)


def tokenizer_of(words):
    return {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": 2,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {w: i for i, w in enumerate(words)},
            "unk_token": "[UNK]",
        },
    }


def safetensors_of(array, **changed):
    entry = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [0, array.nbytes]}
    header = json.dumps({"__metadata__": {"a": "b"}, "embeddings": entry | changed}).encode()
    return len(header).to_bytes(8, "little") + header + array.tobytes()


def table():
    rows = np.random.default_rng(7).normal(size=(len(WORDS), 16)).astype(np.float32)
    rows[WORDS.index("zero")] = 0
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of nine words in the form of the real one."""
    made = tmp_path_factory.mktemp("potion")
    (made / "tokenizer.json").write_text(json.dumps(tokenizer_of(WORDS)), encoding="utf-8")
    (made / "model.safetensors").write_bytes(safetensors_of(table()))
    return made


@pytest.fixture(params=sorted(ENCODERS))
def encoder(request, folder):
    return HashingEncoder() if request.param == "hashing" else PotionEncoder(folder)


class TestEncoder:
    @settings(deadline=None)
    @given(texts=st.lists(TEXTS, max_size=6))
    def test_rows_have_length_one_or_are_zero(self, texts, folder):
        for encoder in (HashingEncoder(), PotionEncoder(folder)):
            rows = encoder.encode(texts)
            assert rows.shape == (len(texts), encoder.dimensions)
            assert rows.dtype == np.float32
            assert rows.flags.c_contiguous
            lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
            empty = ~rows.any(axis=1)
            np.testing.assert_allclose(lengths[~empty], 1, atol=1e-6)

    @settings(deadline=None)
    @given(texts=st.lists(TEXTS, min_size=1, max_size=6))
    def test_a_row_does_not_depend_on_its_batch(self, texts, folder):
        for encoder in (HashingEncoder(), PotionEncoder(folder)):
            together = encoder.encode(texts)
            for text, row in zip(texts, together, strict=True):
                assert encoder.encode([text]).tobytes() == row.tobytes()

    def test_a_row_does_not_depend_on_where_a_long_batch_is_cut(self, encoder, monkeypatch):
        texts = [f"rent {w} of ship {n}" for n in range(5) for w in WORDS]
        whole = encoder.encode(texts)
        monkeypatch.setattr(vectors, "_BATCH", 7)
        assert encoder.encode(texts).tobytes() == whole.tobytes()

    def test_no_texts_are_no_rows(self, encoder):
        assert encoder.encode([]).shape == (0, encoder.dimensions)

    @pytest.mark.parametrize("text", ["", " \n\t", "... -- !", "\x00\x1f"])
    def test_a_text_without_words_is_zero(self, encoder, text):
        assert not encoder.encode([text]).any()

    def test_alike_texts_are_nearer(self, encoder):
        rows = encoder.encode(["lease rent tenant", "rent tenant lease sea", "ship zinc"])
        assert rows[0] @ rows[1] > 0.5 > rows[0] @ rows[2]

    def test_another_process_makes_the_same_rows(self, encoder, folder):
        code = (
            "import sys, pathlib; from salient.learning.vectors import *\n"
            "e = HashingEncoder() if sys.argv[1] == 'h' else PotionEncoder(pathlib.Path(sys.argv[2]))\n"
            "print(e.component, e.encode(['Rent of a ship', 'naïve zinc']).tobytes().hex())"
        )
        kind = "h" if isinstance(encoder, HashingEncoder) else "p"
        shown = subprocess.run(
            [sys.executable, "-c", code, kind, str(folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows = encoder.encode(["Rent of a ship", "naïve zinc"])
        assert shown.stdout.split() == [encoder.component, rows.tobytes().hex()]

    def test_threads_may_share_it(self, encoder):
        texts = [[f"{a} {b}" for b in WORDS] for a in WORDS]
        wanted = [encoder.encode(t).tobytes() for t in texts]
        with ThreadPoolExecutor(4) as pool:
            assert [r.tobytes() for r in pool.map(encoder.encode, texts)] == wanted

    def test_component_is_name_and_version(self, encoder):
        name, _, version = encoder.component.partition("@")
        assert (name, version) == (encoder.name, encoder.version)
        assert version
        assert "@" not in version


class TestHashing:
    def test_case_and_frequent_words_do_not_matter(self):
        rows = HashingEncoder().encode(["The LEASE of the ship", "lease ship"])
        np.testing.assert_array_equal(rows[0], rows[1])

    def test_frequent_words_alone_are_zero(self):
        assert not HashingEncoder().encode(["what is it that they were of"]).any()

    def test_inflections_are_near(self):
        a, b, c = HashingEncoder().encode(["terminated", "termination", "shareholder"])
        assert a @ b > 0.4 > a @ c


class TestPotion:
    def test_a_row_is_the_mean_of_the_known_words(self, folder):
        row = PotionEncoder(folder).encode(["Rent unheard SHIP rent"])[0]
        known = table()[[WORDS.index("rent"), WORDS.index("ship"), WORDS.index("rent")]]
        mean = known.astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)

    def test_the_end_of_a_long_text_counts_too(self, folder):
        a, b = PotionEncoder(folder).encode(["rent " * 3000 + "sea", "rent " * 3001])
        assert a.tobytes() != b.tobytes()

    def test_weights_are_mapped_and_cannot_be_written(self, folder):
        weights = mapped_tensor(folder / "model.safetensors", "embeddings")
        np.testing.assert_array_equal(weights, table())
        assert not weights.flags.owndata
        assert isinstance(weights.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            weights[0, 0] = 1

    def test_nothing_is_read_until_a_text_comes(self, folder, tmp_path):
        for file in ("model.safetensors", "tokenizer.json"):
            (tmp_path / file).write_bytes(b"rubbish")
        late = PotionEncoder(tmp_path)
        with pytest.raises(Corrupt):
            late.encode(["rent"])

    def test_other_weights_are_another_component(self, folder, tmp_path):
        other = table()
        other[1, 1] += 1
        (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        (tmp_path / "model.safetensors").write_bytes(safetensors_of(other))
        assert PotionEncoder(tmp_path).component != PotionEncoder(folder).component

    @pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
    def test_a_missing_file_says_what_to_run(self, folder, tmp_path, file):
        for name in {"model.safetensors", "tokenizer.json"} - {file}:
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        with pytest.raises(Misconfigured, match=r"python3 x\.py setup") as info:
            PotionEncoder(tmp_path)
        assert info.value.context == {"missing": file}

    @pytest.mark.parametrize(
        "damaged",
        [
            b"",
            b"\x05\x00",
            b"\xff" * 64,
            (4).to_bytes(8, "little") + b"{}  ",
            (4).to_bytes(8, "little") + b"\xff\xfe\xff\xfe",
            (4).to_bytes(8, "little") + b"[1] ",
            safetensors_of(table())[:-1],
            safetensors_of(table(), dtype="F16"),
            safetensors_of(table(), shape=[3, 16]),
            safetensors_of(table(), shape=[-9, -16]),
            safetensors_of(table(), shape="many"),
            safetensors_of(table(), data_offsets=[4]),
            safetensors_of(table(), data_offsets=[-8, table().nbytes - 8]),
            safetensors_of(table(), shape=[table().size]),
            safetensors_of(table()[:4]),
        ],
        ids=[
            "empty", "no header", "endless header", "no tensor", "no text", "no object", "cut short",
            "half floats", "wrong shape", "negative shape", "shape of text", "one offset",
            "before the data", "no table", "fewer rows than words",
        ],
    )  # fmt: skip
    def test_damaged_weights_are_corrupt(self, folder, tmp_path, damaged):
        (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        (tmp_path / "model.safetensors").write_bytes(damaged)
        with pytest.raises(Corrupt):
            PotionEncoder(tmp_path).encode(["rent"])

    @pytest.mark.parametrize("written", [b"", b"{", b"[]", b"{}", b'{"model": {"vocab": 3}}'])
    def test_a_damaged_tokenizer_is_corrupt(self, folder, tmp_path, written):
        (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        (tmp_path / "tokenizer.json").write_bytes(written)
        with pytest.raises(Corrupt):
            PotionEncoder(tmp_path).encode(["rent"])


class TestOpen:
    def test_a_name_opens_its_encoder(self):
        assert isinstance(open_encoder("hashing"), HashingEncoder)

    @pytest.mark.parametrize("spec", ["", "Potion", "bert", "hashing:x"])
    def test_another_name_is_the_callers_fault(self, spec):
        with pytest.raises(InvalidInput) as info:
            open_encoder(spec)
        assert info.value.context["known"] == [
            "auto", "hashing", "potion", "model:NAME", "transformer", "vectors:FOLDER",
        ]  # fmt: skip

    def test_auto_is_potion_where_it_is_installed(self, folder, monkeypatch):
        monkeypatch.setattr(vectors, "model_folder", lambda name: folder)
        assert isinstance(open_encoder("auto"), PotionEncoder)

    def test_auto_does_without_potion(self, tmp_path, monkeypatch):
        monkeypatch.setattr(vectors, "model_folder", lambda name: tmp_path)
        assert isinstance(open_encoder(), HashingEncoder)
        with pytest.raises(Misconfigured):
            open_encoder("potion")


def test_the_installed_vectors_know_what_is_alike():
    try:
        encoder = open_encoder("potion")
    except Misconfigured:
        pytest.skip("the set-up could not fetch the vectors")
    rows = encoder.encode(["The tenant pays rent.", "Lessees owe a monthly fee.", "A red fox ran."])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1
