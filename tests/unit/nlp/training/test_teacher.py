import itertools
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from salient.errors import InvalidInput  # noqa: E402 -- only where PyTorch is
from salient.nlp.training import minilm, teacher  # noqa: E402 -- the same
from tests.unit.nlp.training.small_teacher import (  # noqa: E402 -- the same
    ALLOWED,
    ANNA,
    CATS,
    NAMES,
    SIZES,
    tokenizer,
)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return minilm.Words(tokenizer(tmp_path_factory.mktemp("words") / "tokenizer.json"))


def recipe(**others):
    small = {"epochs": 12, "pieces": 40, "encoder_rate": 3e-3, "head_rate": 1e-2, "shouted": 0.0}
    return teacher.Recipe(**(small | {"hidden_pieces": 0.0} | others))


def run(training, words, *, steps=None):
    documents = [[CATS, ANNA], [ANNA], [CATS]]
    allowed = torch.from_numpy(ALLOWED)
    losses = []
    while training.epoch < training.recipe.epochs:
        batches = training.epoch_batches(documents, words)
        while training.step < len(batches):
            if steps is not None and len(losses) == steps:
                return losses
            losses.append(training.learn(batches[training.step], allowed, words, of=len(batches)))
        training.epoch, training.step = training.epoch + 1, 0
    return losses


def test_words_are_never_without_pieces_and_long_ones_are_cut(words):
    assert len(words("\u200b")[0]) == 1
    assert len(words("a" * 80)[0]) == minilm.MOST_PIECES
    assert words("cats")[0] == words("CATS")[0]


@pytest.mark.parametrize(
    ("form", "shape"), [("McDonald's", "XxXxxx'x"), ("2021-03", "ddd-dd"), ("IBM", "XXX"), ("", "")]
)
def test_a_shape_tells_letters_from_digits_and_cuts_runs(form, shape):
    assert minilm.shape_of(form) == shape


def test_kinds_of_casing_are_told_apart():
    forms = ["IBM", "A", "cat", "Cat", "iPad", "42", "e-mail", "E-MAIL", "E-mail", "3.5", "--"]
    assert [minilm.case_of(form) for form in forms] == list(range(1, 12))


def bert(weights, ids, heads):
    """BERT's encoder in numpy, one text, by the paper."""

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for i in range(SIZES.layers):
        name = f"encoder.layer.{i}"
        parts = [linear(x, f"{name}.attention.self.{p}") for p in ("query", "key", "value")]
        mixed = []
        for q, k, v in zip(*(np.split(p, heads, -1) for p in parts), strict=True):
            e = np.exp(q @ k.T / np.sqrt(q.shape[1]))
            mixed.append(e / e.sum(-1, keepdims=True) @ v)
        y = linear(np.concatenate(mixed, -1), f"{name}.attention.output.dense")
        x = norm(x + y, f"{name}.attention.output.LayerNorm")
        up = torch.from_numpy(linear(x, f"{name}.intermediate.dense"))
        y = linear(torch.nn.functional.gelu(up).numpy(), f"{name}.output.dense")
        x = norm(x + y, f"{name}.output.LayerNorm")
    return x


def bert_weights(seed=0):
    rng = np.random.default_rng(seed)
    width, inner = SIZES.width, SIZES.inner
    shapes = {
        "embeddings.word_embeddings.weight": (SIZES.pieces, width),
        "embeddings.position_embeddings.weight": (SIZES.positions, width),
        "embeddings.token_type_embeddings.weight": (2, width),
    }
    norms = ["embeddings.LayerNorm"]
    for i in range(SIZES.layers):
        name = f"encoder.layer.{i}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        dense = {f"{name}.attention.self.{p}": (width, width) for p in ("query", "key", "value")}
        dense[f"{name}.attention.output.dense"] = (width, width)
        dense[f"{name}.intermediate.dense"] = (inner, width)
        dense[f"{name}.output.dense"] = (width, inner)
        shapes |= {f"{n}.weight": shape for n, shape in dense.items()}
        shapes |= {f"{n}.bias": shape[:1] for n, shape in dense.items()}
    shapes |= {f"{n}.{end}": (width,) for n in norms for end in ("weight", "bias")}
    return {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def test_the_encoder_is_berts(words):
    weights = bert_weights()
    encoder = minilm.Encoder(SIZES)
    encoder.load_minilm({name: torch.from_numpy(array) for name, array in weights.items()})
    batch = minilm.batch_of([["cats", "sleep", "."], ["anna"]], [[0, 0, 0], [0]], words)
    with torch.no_grad():
        got = encoder(batch.pieces, torch.zeros_like(batch.pieces))[-1].numpy()
    for row, ids in enumerate(batch.pieces.tolist()):
        ids = [i for i in ids if i]
        np.testing.assert_allclose(
            got[row, : len(ids)], bert(weights, ids, SIZES.attention), atol=2e-4
        )


def test_weights_of_something_else_are_refused():
    weights = {name: torch.from_numpy(array) for name, array in bert_weights().items()}
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(InvalidInput):
        minilm.Encoder(SIZES).load_minilm(weights)


def test_a_state_of_a_word_is_the_mean_of_its_pieces(words):
    network = teacher.Network(SIZES, NAMES).eval()
    batch = minilm.batch_of([["naps", "cats"]], [[0, 0]], words)
    with torch.no_grad():
        got = network.words(batch)[0]
        cases = torch.tensor([[0, 3, 3, 3, 3, 3, 0]])
        states = network.encoder(batch.pieces, cases)
        mixed = torch.stack(states).mean(0)[0]  # the mix begins even
    torch.testing.assert_close(got[0], mixed[1:5].mean(0))
    torch.testing.assert_close(got[1], mixed[5])


def test_heads_keep_to_their_sentence(words):
    network = teacher.Network(SIZES, NAMES).eval()
    batch = teacher.read_batch([(CATS, ANNA)], words)
    with torch.no_grad():
        arcs = network(batch).arcs[0].softmax(-1)
    other = arcs[:3, 4:].sum() + arcs[3:, 1:4].sum() + arcs[range(6), range(1, 7)].sum()
    assert float(other) == 0


def test_the_loss_of_partial_labels_is_the_chance_of_any_that_is_allowed():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(1, 4, 5))
    allowed = rng.random((3, 5)) < 0.5
    allowed[:, 0] = True
    rows = [0, 2, -1, 1]
    chances = np.exp(scores[0]) / np.exp(scores[0]).sum(-1, keepdims=True)
    expected = -np.mean(
        [np.log(chances[i, allowed[r]].sum()) for i, r in enumerate(rows) if r >= 0]
    )
    got = teacher.entity_loss(
        torch.from_numpy(scores), torch.tensor([rows]), torch.from_numpy(allowed)
    )
    assert float(got) == pytest.approx(expected, abs=1e-5)


def test_gold_of_texts_counts_heads_from_the_texts_first_word():
    gold = teacher.gold_of([(CATS, ANNA), (ANNA,)])
    assert gold.heads.tolist() == [[2, 0, 2, 5, 0, 5], [2, 0, 2, -1, -1, -1]]
    assert gold.starts.tolist() == [[1, 0, 0, 1, 0, 0], [1, 0, 0, -1, -1, -1]]


def test_every_sentence_is_in_one_piece_and_every_piece_in_one_batch(words):
    documents = [[CATS] * 9, [ANNA], [CATS, ANNA] * 4]
    chance = random.Random(3)
    pieces = teacher.pieces_of(documents, recipe(), chance)
    assert [s for piece in pieces for s in piece] == [s for d in documents for s in d]
    batches = teacher.batches_of(pieces, words, 60, chance)
    assert sorted(map(id, itertools.chain(*batches))) == sorted(map(id, pieces))


def test_a_teacher_learns_by_heart_and_a_resumed_run_is_the_same_run(words, tmp_path):
    whole = teacher.Training(SIZES, NAMES, recipe())
    losses = run(whole, words)
    assert losses[-1] < losses[0] / 3

    begun = teacher.Training(SIZES, NAMES, recipe())
    first = run(begun, words, steps=9)
    begun.save(tmp_path / "teacher.pt")
    resumed = teacher.Training(SIZES, NAMES, recipe(seed=5))
    resumed.resume(tmp_path / "teacher.pt")
    assert first + run(resumed, words) == losses
    for name, weight in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], weight, rtol=0, atol=0)
