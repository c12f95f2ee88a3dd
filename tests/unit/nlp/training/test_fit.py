"""A small run learns a small treebank by heart, and the model directory holds what was learnt."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from salient.errors import Corrupt  # noqa: E402 -- only where PyTorch is
from salient.nlp.training import evaluation, export, fit, pieces  # noqa: E402 -- the same
from salient.nlp.training.data import UNKNOWN  # noqa: E402 -- the same
from salient.nlp.training.network import Loss, Student, Weights, scan  # noqa: E402 -- the same
from tests.unit.nlp.training.made_up import gold  # noqa: E402 -- the same
from tests.unit.nlp.training.small_student import RECIPE, sizes  # noqa: E402 -- the same


def student(made, seed=1):
    torch.manual_seed(seed)
    return Student(sizes(made.labels), RECIPE.dropout)


def train(made, folder, recipe):
    return fit.fit(made, student(made), recipe, folder, every=recipe.epochs, say=lambda _: None)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    made = gold(tmp_path_factory.mktemp("gold"))
    return made, *train(made, tmp_path_factory.mktemp("run"), RECIPE)


def test_a_small_treebank_is_learnt_by_heart(learnt):
    _, _, tune = learnt
    assert tune["ewt"]["LAS"] == 100
    assert tune["ewt"]["UPOS"] == tune["ewt"]["XPOS"] == tune["ewt"]["UFeats"] == 100
    assert tune["ewt"]["Lemmas"] == 100
    assert tune["ewt"]["Names"] == 100
    assert tune["ewt"]["Starts"] == 100


def test_arrays_round_trip_exactly(learnt):
    made, trained, _ = learnt
    back = export.student(export.arrays(trained), sizes(made.labels))
    for name, value in trained.state_dict().items():
        assert torch.equal(value, back.state_dict()[name]), name


def weights_after(made, folder, recipe):
    trained, _ = train(made, folder, recipe)
    return torch.cat([p.detach().flatten() for p in trained.parameters()])


def test_equal_seeds_give_equal_weights_and_others_do_not(tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=2, dropout=0.3, word_dropout=0.1)
    made = gold(tmp_path)
    one = weights_after(made, tmp_path / "1", recipe)
    again = weights_after(gold(tmp_path), tmp_path / "2", recipe)
    other = weights_after(made, tmp_path / "3", dataclasses.replace(recipe, seed=2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=4, dropout=0.3)
    made = gold(tmp_path)
    whole = weights_after(made, tmp_path / "1", recipe)
    run = fit.Run(made, student(made), recipe)
    for _ in range(2):
        run.train_epoch()
    run.save(tmp_path / "2")
    assert torch.equal(whole, weights_after(made, tmp_path / "2", recipe))


def test_another_recipe_does_not_go_on(tmp_path):
    made = gold(tmp_path)
    run = fit.Run(made, student(made), RECIPE)
    run.save(tmp_path / "run")
    other = fit.Run(made, student(made), dataclasses.replace(RECIPE, rate=0.5))
    with pytest.raises(Corrupt):
        other.resume(tmp_path / "run")


def test_the_scan_is_the_recurrence_and_so_are_its_gradients():
    torch.manual_seed(1)
    z, c = torch.rand(5, 2, 3, dtype=torch.float64), torch.randn(5, 2, 3, dtype=torch.float64)
    h, expected = torch.zeros(2, 3, dtype=torch.float64), []
    for gate, new in zip(z, c, strict=True):
        h = (1 - gate) * h + gate * new
        expected.append(h)
    torch.testing.assert_close(scan(z, c), torch.stack(expected))
    assert torch.autograd.gradcheck(scan, (z.requires_grad_(), c.requires_grad_()))


def test_a_piece_reads_the_same_beside_others_as_alone(tmp_path):
    made = gold(tmp_path)
    columns, net = made.train, student(made).eval()
    rng = np.random.default_rng(1)
    drawn = list(pieces.pieces(columns, rng, pieces.Changes.none(most_words=9)))
    (together,) = pieces.batches(columns, drawn, n_words=10_000)
    with torch.inference_mode():
        whole = net.encode(together)
        for piece in drawn:
            (alone,) = pieces.batches(columns, [piece], n_words=100)
            at = (together.rows == piece.rows[0]).nonzero()[1][0]
            torch.testing.assert_close(
                whole[: len(piece.rows), at], net.encode(alone)[:, 0], atol=1e-5, rtol=1e-4
            )


def batch_of(columns):
    drawn = list(pieces.pieces(columns, np.random.default_rng(1), pieces.Changes.none()))
    (batch,) = pieces.batches(columns, drawn, n_words=10_000)
    return batch


def test_what_a_set_allows_costs_nothing(tmp_path):
    made = gold(tmp_path)
    net = student(made)
    with torch.no_grad():
        net.entity.weight.zero_()
        net.entity.bias.zero_()
        net.entity.bias[0] = 30.0  # all words are outside, for certain
    columns = dataclasses.replace(made.train, allowed=np.ones_like(made.train.allowed))
    batch = batch_of(columns)
    with torch.no_grad():
        right, wrong = (dataclasses.replace(batch, sets=[0, s]) for s in (1 | 2, 2))
        assert Loss(Weights(outside=1.0))(net, right)["entity"] < 1e-6
        assert Loss(Weights())(net, wrong)["entity"] > 10


def test_a_teacher_s_opinion_is_learnt_with_its_doubts(tmp_path):
    made = gold(tmp_path)
    size = made.train.n_words
    heads = np.stack([made.train.label["head"], np.zeros(size, np.int32)], 1).astype(np.int16)
    doubt = np.tile(np.array([0.75, 0.25], np.float16), (size, 1))
    upos = np.tile(np.array([3, 5], np.int16), (size, 1))
    hidden = {head: np.full(size, UNKNOWN, np.int32) for head in made.train.label}
    silver = dataclasses.replace(
        made.train, label=hidden, soft={"head": (heads, doubt), "upos": (upos, doubt)},
        allowed=np.zeros(size, np.int32),
    )  # fmt: skip
    net = student(made)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
    batch = batch_of(silver)
    for _ in range(30):
        losses = Loss(Weights())(net, batch)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert losses.keys() == {"upos", "head", "start"}
    with torch.inference_mode():
        shares = net.eval()(batch)["upos"].softmax(-1).numpy()[batch.mask]
    assert np.abs(shares[:, 3] - 0.75).max() < 0.1
    assert np.abs(shares[:, 5] - 0.25).max() < 0.1


def test_a_batch_of_short_sentences_has_nothing_of_the_last_word_of_all(tmp_path):
    made = gold(tmp_path)
    heads = made.train.label["head"][:, None].astype(np.int16).copy()
    heads[-1] = 100  # a head that only a long sentence has
    sure = np.ones((made.train.n_words, 1), np.float16)
    silver = dataclasses.replace(made.train, soft={"head": (heads, sure)})
    # All but the last document, whose sentences are not of equal length.
    fewer = dataclasses.replace(silver, documents=silver.documents[:-1])
    batch = batch_of(fewer)
    assert (batch.sentences < 0).any()
    assert batch.soft["head"][0].max() <= batch.sentences.shape[1]
    assert Loss(Weights())(student(made), batch)["relation"] > 0


def test_names_are_read_in_their_sentences_and_scored_by_kind(learnt):
    made, trained, _ = learnt
    said = evaluation.predict(trained, made.train)
    assert sorted(said.names) == evaluation.known_names(made.train)
    assert evaluation.known_names(made.train)[:2] == [(0, 1, "PER"), (2, 3, "LOC")]
    found = evaluation.scores(made.train, dataclasses.replace(said, names=[]), made.labels)
    assert found["Names"] == 0
