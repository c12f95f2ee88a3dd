"""`salient train nlp`: from files to a model that annotates, and what stands in the way."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from salient.errors import InvalidInput, Misconfigured, NotFound
from salient.interfaces.cli import cli
from salient.model import Block, Builder, Kind, Part
from salient.nlp import open_engine
from tests.unit.nlp.training.test_files import german


def run(*arguments):
    return CliRunner().invoke(cli, ["train", "nlp", *map(str, arguments)])


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="the extra `train` is not installed")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "de_x-ud-train.conllu").write_text(german(400))
    (folder / "de_x-ud-dev.conllu").write_text(german(5))
    (folder / "de_x-ud-test.conllu").write_text("not to be read")
    (folder / "news-train.bio").write_text("Berlin B-LOC\nruht O\n\n" * 40)
    return folder


def test_a_treebank_of_another_language_becomes_an_engine(torch, data, tmp_path):
    out = tmp_path / "deutsch"
    arguments = ("--data", data, "--language", "de", "--out", out, "--licence", "CC0-1.0")
    done = run(*arguments, "--epochs", 3, "--every", 3)
    assert done.exit_code == 0, done.output
    assert "left out, as a test part" in done.output
    assert "epoch 3" in done.output
    assert f'engine = "native:{out}"' in done.output

    engine = open_engine(f"native:{out}")
    assert engine.languages == {"de"}
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, "Ich gehe zum Markt. Ich gehe zum Markt und kaufe dort das Brot.")]))  # fmt: skip
    (made,) = engine.annotate([builder.build()])
    assert made.language == "de"
    assert made.engine == engine.component
    assert made.words(made.tokens.upos)[:5] == ["PRON", "VERB", "ADP", "NOUN", "PUNCT"]
    assert made.words(made.tokens.feats)[1] == "Tense=Pres"
    assert set(made.words(made.tokens.xpos)) == {""}

    again = run(*arguments, "--epochs", 3, "--every", 3)
    assert again.exit_code == 0
    assert "goes on after epoch 3" in again.output
    other = run(*arguments, "--epochs", 4)
    assert isinstance(other.exception, InvalidInput)


def test_without_pytorch_it_is_said_how_to_get_it(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    done = run("--data", data, "--language", "de", "--out", tmp_path / "m")
    assert isinstance(done.exception, Misconfigured)
    assert "pip install 'salient[train]'" in str(done.exception)
    assert not (tmp_path / "m").exists()


def test_a_folder_without_a_treebank_is_said_so(torch, tmp_path):
    done = run("--data", tmp_path, "--language", "de", "--out", tmp_path / "m")
    assert isinstance(done.exception, NotFound)


@pytest.mark.parametrize("language", ["german", "", "D", "de_DE"])
def test_a_language_is_a_code(data, tmp_path, language):
    done = run("--data", data, "--language", language, "--out", tmp_path / "m")
    assert isinstance(done.exception, InvalidInput)


def test_the_command_line_does_not_load_pytorch():
    code = "import sys, salient.interfaces.cli; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
