"""The commands, on a data folder of a few sentences."""

import json
import lzma

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from salient.nlp.native import model
from salient.nlp.training import __main__ as commands
from salient.nlp.training import data
from tests.unit.nlp.training.made_up import names, treebank

COPIES = 40  # two of which are held out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")

    def put(name, text):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(lzma.compress(text.encode()) if name.endswith(".xz") else text.encode())

    for part in ("train", "dev"):
        put(f"ud/ewt/en_ewt-ud-{part}.conllu.xz", treebank(COPIES))
        put(f"ud/gum/gum-{part}.conllu.xz", treebank(COPIES))
        put(f"ner/uner_ewt/en_ewt-ud-{part}.iob2.xz", uner(COPIES))
    for source, (name, corpus) in data.NAMES.items():
        label = "Person" if source == "re3d" else "person" if source == "wnut17" else "PER"
        between = "" if corpus.alone else "-DOCSTART- O\n\n"
        put(name, f"{between}Anna B-{label}\nrests O\n\n" * COPIES)
    put("ner/wnut17/wnut17-dev.conll", "Anna B-person\nrests O\n\n")
    return root


def uner(copies):
    out = []
    for name, tagged in names(copies).items():
        tags = ["O"] * len(tagged.forms)
        for start, end, label in tagged.spans:
            tags[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
        rows = zip(tagged.forms, tags, strict=True)
        lines = [f"{at}\t{form}\t{tag}\t-\t-" for at, (form, tag) in enumerate(rows, 1)]
        out += [f"# sent_id = {name}", *lines, ""]
    return "\n".join(out)


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
