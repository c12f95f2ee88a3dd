"""The recipe goes on where it was, and does again what other numbers make another thing of."""

import sys

import pytest

from salient.errors import Misconfigured
from salient.nlp.training import recipe
from salient.nlp.training.recipe import Step
from tests.unit.nlp.native import random_models


class Bench:
    """Steps that write down that they ran, and what they found of an earlier run."""

    def __init__(self, work, fails=()):
        self.work, self.ran, self.fails = work, [], set(fails)

    def steps(self, **numbers):
        return [
            Step(name, self.command(name), (str(numbers.get(name, 1)),), name) for name in "abc"
        ]

    def command(self, name):
        def run(arguments):
            file = self.work / name
            self.ran.append((name, *arguments, file.read_text() if file.exists() else None))
            file.write_text("half" if name in self.fails else "whole")
            return 1 if name in self.fails else 0

        return run


def test_what_ended_is_not_done_again(tmp_path):
    bench = Bench(tmp_path)
    assert recipe.done(bench.steps(), tmp_path)
    assert recipe.done(bench.steps(), tmp_path)
    assert bench.ran == [("a", "1", None), ("b", "1", None), ("c", "1", None)]


def test_a_step_that_was_stopped_finds_what_it_left_and_nothing_behind_it_runs(tmp_path):
    assert not recipe.done(Bench(tmp_path, fails="b").steps(), tmp_path)
    bench = Bench(tmp_path)
    assert recipe.done(bench.steps(), tmp_path)
    assert bench.ran == [("b", "1", "half"), ("c", "1", None)]


def test_other_numbers_are_begun_anew_with_all_behind_them(tmp_path):
    recipe.done(Bench(tmp_path).steps(), tmp_path)
    bench = Bench(tmp_path)
    assert recipe.done(bench.steps(b=2), tmp_path)
    assert bench.ran == [("b", "2", None), ("c", "1", None)]


def test_the_commands_take_the_arguments_they_are_given(tmp_path):
    """Each step's own parser knows them."""
    from salient.nlp.training import __main__ as students
    from salient.nlp.training import teaching

    chosen = recipe._parser().parse_args(["--minilm", str(tmp_path), "--set", "rate=0.01"])
    parsers = {teaching.main: teaching._parser(), students.main: students._parser()}
    made = [parsers[step.run].parse_args(step.arguments) for step in recipe.steps(chosen)]
    assert [m.threads for m in made] == [2] * 4
    assert made[-1].set == ["dropout=0.2", "rate=0.01"]


def test_a_model_takes_the_place_of_another(tmp_path):
    old, new = random_models.write(tmp_path / "old"), random_models.write(tmp_path / "new", seed=9)
    wanted = {p.name: p.read_bytes() for p in new.iterdir()}
    recipe.install(new, old)
    assert {p.name: p.read_bytes() for p in old.iterdir()} == wanted
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old"]


def test_what_cannot_be_opened_takes_no_place(tmp_path):
    old = random_models.write(tmp_path / "old")
    (tmp_path / "new").mkdir()
    with pytest.raises(Misconfigured):
        recipe.install(tmp_path / "new", old)
    assert (old / "model.json").is_file()


def test_what_is_missing_is_said(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    assert recipe.main(["--minilm", str(tmp_path), "--work", str(tmp_path / "work")]) == 1
    assert "all-MiniLM-L6-v2" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "torch", None)
    assert recipe.main(["--minilm", str(tmp_path), "--work", str(tmp_path / "work")]) == 1
    assert "pip install" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
