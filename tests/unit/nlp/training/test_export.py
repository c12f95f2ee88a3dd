"""What is trained in PyTorch is what the engine runs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from salient.kernels import encoder as encoder_definition  # noqa: E402 -- only where PyTorch is
from salient.kernels.decode import arc_scores  # noqa: E402 -- only where PyTorch is
from salient.kernels.encoder import Encoder  # noqa: E402 -- the same
from salient.kernels.types import type_rows  # noqa: E402 -- the same
from salient.nlp.native import features, model  # noqa: E402 -- the same
from salient.nlp.training import export, pieces  # noqa: E402 -- the same
from salient.nlp.training.network import Student  # noqa: E402 -- the same
from tests.unit.nlp.training.made_up import gold  # noqa: E402 -- the same
from tests.unit.nlp.training.small_student import sizes  # noqa: E402 -- the same

SHIPPED = {"tables": features.TABLES, "grams": features.GRAM_TABLE}


def student(made, **others):
    torch.manual_seed(1)
    net = Student(sizes(made.labels, **SHIPPED, **others))
    with torch.no_grad():
        for weight in net.parameters():  # nothing is left at a zero that would hide a mistake
            weight += 0.1 * torch.randn_like(weight)
        for table in [*net.tables, net.grams]:
            table.weight[0] = 0
    return net


@pytest.fixture(params=[{}, {"anna": 1, "état": 3, "zoo": 2}], ids=["plain", "with vectors"])
def written(request, tmp_path):
    vectors = request.param
    made = gold(tmp_path, copies=1)
    made.types.vectors = vectors
    net = student(made, n_vectors=len(vectors) + 1 if vectors else 0)
    if vectors:
        net.vectors[1:] = torch.randn(len(vectors), features.VECTOR_WIDTH)
    about = {"name": "made up", "language": "en", "licence": "none", "scores": {"dev.LAS": 1.0}}
    export.write(tmp_path / "m", net, made.labels, vectors, **about)
    return made, net, tmp_path / "m"


def test_a_model_directory_gives_back_the_student_and_its_labels(written):
    made, net, folder = written
    back = export.read(folder)
    assert back.labels == made.labels
    assert list(back.vectors) == sorted(made.types.vectors, key=str.encode)
    for word, row in made.types.vectors.items():
        near = back.student.vectors[back.vectors[word]] - net.vectors[row]
        assert near.abs().max() <= net.vectors[row].abs().max() / 250
    before, after = export.arrays(net), export.arrays(back.student)
    assert before.keys() == after.keys()
    for name in before.keys() - {"vectors"}:
        array = before[name]
        # int8 of a row's greatest value, or eleven bits of each value.
        whole = np.abs(array).max(-1, keepdims=True) / 250
        room = whole if name.startswith("table") else np.abs(array) / 1000
        assert (np.abs(array - after[name]) <= room + 1e-6).all(), name


def test_the_engine_computes_what_was_trained(written, monkeypatch):
    # What rounding its products changes is shown by tests/unit/nlp/native/test_encoder.py.
    monkeypatch.setattr(encoder_definition, "_product", lambda x, weight: x @ weight.T)
    made, _, folder = written
    back, loaded = export.read(folder), model.load(folder)
    made.types.vectors = back.vectors
    columns = made.train
    drawn = list(pieces.pieces(columns, np.random.default_rng(1), pieces.Changes.none()))
    (batch,) = pieces.batches(columns, drawn, n_words=10_000)
    with torch.inference_mode():
        scores = back.student.eval()(batch)
        relations = back.student.relations(scores, torch.from_numpy(batch.head).clamp(min=0))

    encoder = Encoder(loaded.arrays)
    words = loaded.vocabulary.rows(features.norms(columns.forms)) + np.int32(1)
    rows = type_rows(columns.forms, features.SIZES)
    types = encoder.types(rows, words)
    bits = drawn[0].bits
    reading = encoder.read(types, np.arange(len(rows), dtype=np.int32), bits)

    def near(theirs, ours):
        np.testing.assert_allclose(theirs, ours, atol=1e-4, rtol=1e-4)

    for at, name in enumerate(["upos", "xpos", "feats", "lemma"]):
        shares = scores[name][:, 0].softmax(-1)
        near(reading.shares[:, at], shares.max(-1).values)
        assert reading.tags[:, at].tolist() == shares.argmax(-1).tolist()
    near(reading.start, scores["start"][:, 0])
    near(reading.entities, scores["entity"][:, 0].log_softmax(-1))
    heads = np.arange(len(rows))
    for s, (first, end) in enumerate(
        zip(columns.sentences[:-1], columns.sentences[1:], strict=True)
    ):
        part = slice(first, end)
        arcs = arc_scores(
            reading.heads[part], reading.deps[part], encoder.root, loaded.arrays["arc.dist"]
        )
        ours = scores["head"][s, : end - first, : end - first + 1].numpy()
        near(arcs[np.isfinite(arcs)], ours[np.isfinite(arcs)])
        head = columns.label["head"][part]
        heads[part] = np.where(head > 0, first + head - 1, heads[part])
    labels, _ = encoder.relations(reading, heads.astype(np.int32))
    inside = batch.sentences >= 0
    assert labels[batch.sentences[inside]].tolist() == relations.argmax(-1).numpy()[inside].tolist()
