import dataclasses
import json
import lzma

import numpy as np
import pytest

from salient.errors import NotFound
from salient.nlp.native.features import CALMED, FIRST_OF_UNIT, NEWLINE_BEFORE, SPACE_BEFORE
from salient.nlp.training import corpora
from salient.nlp.training.corpora import Excerpt, Source


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "contracts/cuad").mkdir(parents=True)
    rows = [
        {
            "id": f"c{i}", "split": "dev" if i % 5 == 0 else "train",
            "text": "\n\n".join(f"{n}. The Supplier of contract {i} shall deliver {n} goods." for n in range(200)),
        }
        for i in range(20)
    ]  # fmt: skip
    _write(tmp_path / "contracts/cuad/contracts.jsonl.xz", rows)
    (tmp_path / "re").mkdir()
    text = "Halden Maritime was founded in Bergen, and has ships."
    _write(tmp_path / "re/passages.jsonl.xz", [{"doc": str(i), "text": text} for i in range(50)])
    return tmp_path


def _write(path, rows):
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))


def _sources():
    cuad = next(s for s in corpora.SOURCES if s.name == "cuad")
    known = next(s for s in corpora.SOURCES if s.name == "knowledgenet")
    return [
        dataclasses.replace(cuad, words=3000),
        dataclasses.replace(known, path="re/passages.jsonl.xz", words=200),
    ]


def test_equal_seeds_draw_the_same_and_others_do_not(folder):
    sources = _sources()
    first = corpora.sample(folder, sources=sources)
    assert corpora.sample(folder, sources=sources) == first
    assert corpora.sample(folder, seed=6, sources=sources) != first


def test_a_smaller_share_is_a_part_of_the_larger_sample(folder):
    sources = _sources()
    half, whole = (corpora.sample(folder, share=s, sources=sources) for s in (0.5, 1.0))
    assert len(half) < len(whole)
    assert [e for e in whole if e in set(half)] == half


def test_a_source_of_which_little_is_drawn_is_spread_over_the_sample(folder):
    rare, whole = _sources()
    drawn = corpora.sample(folder, sources=[dataclasses.replace(rare, words=4000), whole])
    places = [i / len(drawn) for i, e in enumerate(drawn) if e.source == "knowledgenet"]
    assert len(places) > 10
    assert 0.2 < sum(places) / len(places) < 0.8
    assert [e.source for e in drawn] != sorted(e.source for e in drawn)


def test_contracts_for_development_are_never_drawn(folder):
    sources = [dataclasses.replace(s, words=10**9) for s in _sources()]
    drawn = {e.name.partition("#")[0] for e in corpora.sample(folder, sources=sources)}
    assert {f"c{i}" for i in range(20) if i % 5} <= drawn
    assert not drawn & {f"c{i}" for i in range(20) if i % 5 == 0}


def test_no_more_words_than_wanted_are_drawn_of_a_source(folder):
    sizes = dict.fromkeys(["cuad", "knowledgenet"], 0)
    for excerpt in corpora.sample(folder, sources=_sources()):
        sizes[excerpt.source] += len(excerpt.text.split())
    assert 3000 <= sizes["cuad"] < 3000 + corpora.EXCERPT / 5
    assert 200 <= sizes["knowledgenet"] < 210


def test_a_folder_without_a_source_is_refused(tmp_path):
    with pytest.raises(NotFound):
        corpora.sample(tmp_path)


def test_every_source_has_a_licence_that_lets_weights_be_shipped():
    allowed = ("CC BY", "CC0", "public domain", "MIT")
    assert all(s.licence.startswith(allowed) and "NC" not in s.licence for s in corpora.SOURCES)
    assert not any(part in s.path for s in corpora.SOURCES for part in ("dev", "test", "ag_news"))


def test_words_know_their_units_and_spaces():
    words = corpora.words_of(Excerpt("x", "x", 'He didn\'t pay.\n\nThe Bank ("Bank") did.'))
    assert " ".join(words.forms) == 'He did n\'t pay . The Bank ( " Bank " ) did .'
    first = [words.forms[i] for i in np.flatnonzero(words.bits & FIRST_OF_UNIT)]
    assert first == ["He", "The"]
    spaced = [words.forms[i] for i in np.flatnonzero(words.bits & SPACE_BEFORE)]
    assert spaced == ["He", "did", "pay", "The", "Bank", "(", "did"]
    assert (words.bits & NEWLINE_BEFORE > 0).tolist() == (words.bits & FIRST_OF_UNIT > 0).tolist()


def test_stretches_in_capitals_are_read_calm_and_marked():
    text = "The Borrower is Halden.\n\nTHE BORROWER SHALL NOT SELL ANY OF ITS ASSETS OR THE SHIPS OF HALDEN"
    words = corpora.words_of(Excerpt("x", "x", text))
    shouted = [f for f, b in zip(words.forms, words.bits, strict=True) if b & CALMED]
    assert shouted[:4] == ["The", "Borrower", "shall", "not"]
    assert shouted[-1] == "Halden"
    assert not words.bits[0] & CALMED


def test_patents_are_read_without_their_markup(tmp_path):
    (tmp_path / "uspto").mkdir()
    page = "<patent><p id='1'>The <b>pump</b> &amp; the valve (10) are joined by a hose of rubber.</p></patent>"
    (tmp_path / "uspto/one.xml").write_text(page, encoding="utf-8")
    uspto = next(s for s in corpora.SOURCES if s.name == "uspto")
    source = Source("uspto", "uspto", uspto.licence, 100, uspto.read)
    (excerpt,) = corpora.sample(tmp_path, sources=[source])
    assert excerpt.text == "The pump & the valve (10) are joined by a hose of rubber."


def test_abstracts_in_small_letters_are_put_right(tmp_path):
    text = "a primary - treated sludge , mixed with lime . the sludge is then dewatered in a filter at condit"
    _write(tmp_path / "a.jsonl.xz", [{"id": 1, "text": text}])
    patents = next(s for s in corpora.SOURCES if s.name == "bigpatent")
    (excerpt,) = corpora.sample(tmp_path, sources=[dataclasses.replace(patents, path="a.jsonl.xz")])
    assert excerpt.text == (
        "A primary-treated sludge, mixed with lime. The sludge is then dewatered in a filter at"
    )
