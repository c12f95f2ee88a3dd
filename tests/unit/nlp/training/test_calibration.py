"""A head that is too sure, or not sure enough, is told by how much."""

import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from salient.nlp.training.calibration import temperatures  # noqa: E402 -- only where PyTorch is
from salient.nlp.training.network import Student  # noqa: E402 -- the same
from tests.unit.nlp.training.made_up import gold  # noqa: E402 -- the same
from tests.unit.nlp.training.small_student import sizes  # noqa: E402 -- the same


@pytest.fixture
def made(tmp_path):
    return gold(tmp_path)


def guess(made, times):
    """A student that gives words their parts of speech by how frequent these are, times over."""
    net = Student(sizes(made.labels))
    upos = torch.from_numpy(made.train.label["upos"]).long()
    counts = torch.bincount(upos, minlength=len(made.labels.upos)).float()
    with torch.no_grad():
        net.upos.weight.zero_()
        net.upos.bias.copy_((counts / counts.sum()).clamp(min=1e-6).log() * times)
    return net


@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_scores_that_are_too_great_are_divided(made, times):
    found = temperatures(guess(made, times), [made.train])
    assert found["upos"] == pytest.approx(times, rel=0.02)


def test_every_head_has_one(made):
    found = temperatures(Student(sizes(made.labels)), [made.train])
    assert found.keys() == {"upos", "xpos", "feats", "lemma", "start", "arc", "label", "ner"}
    assert all(0.2 < heat < 5 for heat in found.values())


def test_a_head_that_is_not_asked_keeps_its_scores(made):
    silent = {head: column * 0 - 1 for head, column in made.train.label.items()}
    columns = dataclasses.replace(made.train, label=silent)
    assert temperatures(guess(made, 3.0), [columns])["upos"] == 1.0
