"""What a search in both modes promises: meaning adds, but never what the words exclude."""

import pytest

import salient

TEXTS = {
    "damages": "The carrier shall pay liquidated damages of two percent for each week of delay.",
    "penalty": "Late delivery costs the carrier a penalty; damages are not liquidated in advance.",
    "weather": "It rained on the harbour all week.",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("in")
    for name, text in TEXTS.items():
        (folder / f"{name}.txt").write_text(text)
    with salient.open(tmp_path_factory.mktemp("data"), pipeline={"processes": 1}) as opened:
        opened.add(folder)
        yield opened


def found(workspace, text, mode="hybrid"):
    hits = workspace.search(text, mode=mode).hits
    return {hit.quote.document_name.rpartition("/")[2].removesuffix(".txt") for hit in hits}


@pytest.mark.parametrize("mode", ["hybrid", "keyword"])
def test_a_phrase_is_found_as_written(workspace, mode):
    assert found(workspace, '"liquidated damages"', mode) == {"damages"}


def test_without_quotes_words_and_meaning_find_more(workspace):
    assert {"damages", "penalty"} <= found(workspace, "liquidated damages")


def test_what_is_excluded_stays_out(workspace):
    assert found(workspace, "carrier -penalty") == {"damages"}


def test_a_prefix_finds_its_words_only(workspace):
    assert found(workspace, "liquid*") == {"damages", "penalty"}
