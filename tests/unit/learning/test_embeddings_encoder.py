"""Encoders of one's own: words' vectors, and a transformer in ONNX, by the setting's names."""

import json

import numpy as np
import pytest

from salient.errors import Corrupt, InvalidInput, Misconfigured, NotFound
from salient.learning import open_encoder
from salient.learning.embeddings import WordVectors
from salient.learning.embeddings.files import texts as texts_of
from salient.learning.transformer import TransformerEncoder
from tests.unit.learning.test_embeddings import small, texts
from tests.unit.learning.test_vectors import WORDS, tokenizer_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors") / "v"
    small().fit(texts()).save(folder)
    return folder


def test_words_of_ones_own_encode_texts(folder):
    encoder = open_encoder(f"vectors:{folder}")
    rows = encoder.encode(["cat and dog", "a mouse, a bird", "law, court", "unheard", ""])
    assert rows.shape == (5, encoder.dimensions) == (5, 20)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 1, 1, 0, 0], atol=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    np.testing.assert_array_equal(encoder.encode(["law, court"])[0], rows[2])
    assert encoder.component.startswith("salient.words.v2@")
    assert open_encoder(f"vectors:{folder}").version == encoder.version


def test_what_is_no_encoder_is_said(folder, tmp_path):
    with pytest.raises(NotFound, match="salient embed train"):
        open_encoder(f"vectors:{tmp_path}")
    with pytest.raises(InvalidInput, match="vectors:FOLDER"):
        open_encoder("vectors")


@pytest.fixture
def network(tmp_path):
    """A table of rows, in ONNX."""
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
    pytest.importorskip("onnxruntime", reason="the extra `transformer` is not installed")
    rows = np.random.default_rng(1).normal(size=(len(WORDS), 12)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["rows", "input_ids"], ["states"])], "table",
        [onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["n", "t"])],
        [onnx.helper.make_tensor_value_info("states", onnx.TensorProto.FLOAT, ["n", "t", 12])],
        [onnx.numpy_helper.from_array(rows, "rows")],
    )  # fmt: skip
    made = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    )
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer_of(WORDS) | {"truncation": None}))
    return tmp_path, rows


def test_a_transformer_encodes_in_any_batch_alike(network):
    folder, rows = network
    encoder = open_encoder(f"transformer:{folder}")
    assert encoder.dimensions == 12
    given = ["rent ship", "sea", "zinc", "sea sea ship", "", "  ", "\ud800 rent"] * 12
    made = encoder.encode(given)
    one = rows[[WORDS.index("rent"), WORDS.index("ship")]].mean(axis=0)
    np.testing.assert_allclose(made[0], one / np.linalg.norm(one), atol=1e-5)
    assert not made[4:6].any()
    for i in range(7):
        np.testing.assert_allclose(encoder.encode([given[i]])[0], made[i], atol=1e-6)
    (folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(Corrupt):
        open_encoder(f"transformer:{folder}").encode(["x"])


def test_without_its_files_or_library_a_transformer_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(Misconfigured):
        TransformerEncoder(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(Misconfigured, match="pip install"):
        open_encoder("transformer")


def test_files_are_read_in_their_forms(tmp_path):
    import gzip
    import lzma

    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.jsonl").write_text(
        '{"text": "three", "title": "t"}\n\n{"text": "four", "title": "u"}\n'
    )
    (tmp_path / "c.csv").write_text('id,text\n1,"five\nlines"\n')
    (tmp_path / "d.tsv").write_text("id\ttext\n1\tsix\n")
    with gzip.open(tmp_path / "e.txt.gz", "wt") as file:
        file.write("seven\n")
    with lzma.open(tmp_path / "f.jsonl.xz", "wt") as file:
        file.write('{"text": "eight"}\n')
    paths = sorted(tmp_path.iterdir())
    assert [t.strip() for t in texts_of(paths)] == [
        "one",
        "two",
        "three",
        "four",
        "five\nlines",
        "six",
        "seven",
        "eight",
    ]
    assert list(texts_of(paths[1:2], field="title,text")) == ["t\nthree", "u\nfour"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"fine\n\xff\n", "line 2: not UTF-8"),
        ("a.jsonl", b'{"text": 3}\n', "there are: text"),
        ("a.jsonl", b"[]\n", "list"),
        ("a.jsonl", b"{\n", "line 1: not JSON"),
        ("a.csv", b"a,b\n1,2\n", "no column 'text'"),
        ("a.csv", b"text\n\xff\n", "not UTF-8"),
        ("a.txt.gz", b"no gzip", "damaged"),
        ("a.txt.xz", b"no xz", "damaged"),
    ],
)
def test_bad_files_say_where(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=says):
        list(texts_of([tmp_path / name]))
    with pytest.raises(NotFound):
        list(texts_of([tmp_path / "none"]))


def test_a_folder_of_anothers_is_refused(folder):
    (folder / "vectors.json").read_bytes()
    assert WordVectors.open(folder).dimensions == 20
