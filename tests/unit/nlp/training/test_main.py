"""The commands, on a data folder of a few sentences."""

import json

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from salient.nlp.native import model
from salient.nlp.training import __main__ as commands
from salient.nlp.training import data
from tests.unit.nlp.training.made_up import COPIES, data_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return data_folder(tmp_path_factory.mktemp("data"))


def test_the_corpora_are_parted_into_what_is_trained_on_chosen_by_and_shown(folder):
    gold = data.load(folder)
    assert gold.tune.keys() == {"ewt", "gum", *data.NAMES}
    assert len(gold.tune["ewt"].documents) - 1 == COPIES // 20
    assert len(gold.shown["ewt"].documents) - 1 == COPIES
    assert len(gold.shown["wnut17"].documents) - 1 == 1
    shown = len(gold.shown["wikigold"].documents) - 1
    assert shown + len(gold.tune["wikigold"].documents) - 1 == 4 + COPIES // 20
    assert gold.train.known.any()


def test_folds_part_a_set_among_them(folder):
    parts = [data.load(folder, fold=(k, 4)).shown["wikigold"] for k in range(4)]
    held = COPIES // data.HELD_OUT
    assert sum(len(part.documents) - 1 for part in parts) == COPIES - held


def test_fit_writes_a_model_that_evaluate_scores(folder, tmp_path, capsys):
    out = tmp_path / "m"
    arguments = ["fit", "--data", str(folder), "--out", str(out), "--epochs", "3", "--every", "3"]
    assert (
        commands.main(
            [*arguments, "--set", "n_words=80", "--set", "rate=0.01", "--set", "weights.entity=2"]
        )
        == 0
    )
    assert "epoch 3" in capsys.readouterr().out
    about = model.load(out).description
    assert about.scores["dev.ewt.UPOS"] > 90
    recipe = json.loads((out / "recipe.json").read_text())
    assert (recipe["rate"], recipe["weights"]["entity"]) == (0.01, 2)
    assert commands.main(["evaluate", str(out), "--data", str(folder)]) == 0
    assert "ewt UPOS" in capsys.readouterr().out


@pytest.mark.parametrize("setting", ["rat=1", "weight.head=1", "changes.nothing=1"])
def test_a_recipe_has_no_other_fields(folder, tmp_path, capsys, setting):
    arguments = ["fit", "--data", str(folder), "--out", str(tmp_path / "m"), "--set", setting]
    assert commands.main(arguments) == 1
    assert "recipe" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_said_so(tmp_path, capsys):
    assert commands.main(["evaluate", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("misconfigured: ")
