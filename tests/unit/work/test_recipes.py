"""Recipes come over the network: only what was registered, in modules that may be imported, is made."""

import subprocess
import sys

import pytest

from salient.errors import Misconfigured
from salient.work import Place, Recipe, handler


class Nothing:
    def __call__(self, value):
        return value

    def close(self):
        pass


@handler(value=int, setup=dict[str, int])
def nothing(setup, place):
    return Nothing()


def unregistered(setup, place):
    return Nothing()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that is not imported yet; a file tells when it was."""
    (tmp_path / "pool_stranger.py").write_text(
        "from pathlib import Path\n"
        f"Path({str(tmp_path / 'imported')!r}).touch()\n"
        "from salient.work import handler\n"
        "@handler()\n"
        "def open_it(setup, place): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "imported"
    sys.modules.pop("pool_stranger", None)


def test_a_registered_factory_is_found_by_its_name():
    recipe = Recipe.of(nothing, {"a": 1})
    assert recipe.kind().factory is nothing
    assert recipe == Recipe(f"{__name__}:nothing", {"a": 1})


@pytest.mark.parametrize(
    "name",
    ["os:system", "subprocess:Popen", "builtins:eval", "salient.errors:Error", "salient.work:Recipe.of", "", ":", "salient", "a:b:c"],
)  # fmt: skip
def test_what_was_not_registered_is_not_made(name):
    with pytest.raises(Misconfigured, match="knows no"):
        Recipe(name, "true").kind(("os", "subprocess", "builtins"))


def test_a_function_of_a_registered_module_is_not_enough():
    with pytest.raises(Misconfigured, match="knows no"):
        Recipe.of(unregistered).kind((__name__,))


@pytest.mark.parametrize("allowed", [(), ("pool_strange",), ("pool_stranger.more",), ("salient",)])
def test_a_module_that_is_not_allowed_is_not_imported(module, allowed):
    with pytest.raises(Misconfigured, match=r"name its module in work\.modules"):
        Recipe("pool_stranger:open_it").kind(allowed)
    assert not module.exists()


def test_one_that_is_allowed_is(module):
    Recipe("pool_stranger:open_it").kind(("pool_stranger",))
    assert module.exists()


@pytest.mark.parametrize("name", ["salientlike:x", "salient_pack.hooks:x", "xsalient.work:x"])
def test_a_name_like_ours_is_not_ours(name):
    with pytest.raises(Misconfigured, match="knows no"):
        Recipe(name).kind()


def test_a_module_of_ours_that_is_not_there_is_said():
    with pytest.raises(Misconfigured, match="cannot be imported"):
        Recipe("salient.nowhere:x").kind()


def test_a_place_crosses_by_its_urls(tmp_path):
    import pickle

    place = Place(f"file:{tmp_path}", "memory:", ("models", 7))
    place.blobs.put("a", b"b")
    other = pickle.loads(pickle.dumps(place))
    assert other.blobs.get("a") == b"b"
    assert other.models == ("models", 7)
    place.close()
    place.close()
    assert place.blobs.get("a") == b"b"  # it opens anew
    place.close()
    other.close()


def test_importing_the_package_registers_and_opens_nothing():
    code = (
        "import sys, salient.work, salient.work.processes, salient.interfaces.parallel\n"
        "heavy = {'celery', 'kombu', 'distributed', 'fastapi', 'typer', 'pydantic', 'numpy', 'redis', 'spacy', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)), len(salient.work._KINDS))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "0"]
