"""Score a student on columns: words and sentences as annotated, everything else its own."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray

from salient.nlp.training import data, pieces
from salient.nlp.training.data import TAGGERS, UNKNOWN, Columns, Ints, Labels
from salient.nlp.training.entities import TYPES
from salient.nlp.training.network import Student
from salient.nlp.training.pieces import Batch
from salient.nlp.training.scores import Sentence, entity_scores, parsing_scores

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.kernels.decode import entity_spans, spanning_tree
else:
    from salient.kernels._decode import entity_spans, spanning_tree

Floats = NDArray[np.float32]
Name = tuple[int, int, str]
"""First word, end, and kind."""

_KINDS: Final = ("PER", "ORG", "LOC", "MISC")
"""The coarse kinds that `Columns.known` counts, which every corpus of names can be asked for."""

_KIND_OF: Final = {"PERSON": "PER", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC"} | dict.fromkeys(
    ["NORP", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "LANGUAGE"], "MISC"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the student says of every word of columns."""

    label: dict[str, Ints]
    """(n_words,) by head, as in `Columns.label`. Heads are trees."""
    start: NDArray[np.bool_]
    """(n_words,)."""
    names: list[Name]


def predict(
    student: Student, columns: Columns, *, n_words: int = 4000, most_words: int = 1000
) -> Predicted:
    """Read the documents in pieces as long as the engine's. Draws nothing at random."""
    changes = pieces.Changes.none(most_words)
    drawn = list(pieces.pieces(columns, np.random.default_rng(0), changes))
    said = Predicted(
        {head: np.full(columns.n_words, UNKNOWN, np.int32) for head in data.HEADS},
        np.zeros(columns.n_words, bool),
        [],
    )
    student.eval()
    with torch.inference_mode():
        for batch in pieces.batches(columns, drawn, n_words=n_words, syntax_everywhere=True):
            scores = student(batch)
            at = batch.rows[batch.mask]
            for name in TAGGERS:
                said.label[name][at] = scores[name].argmax(-1).numpy()[batch.mask]
            said.start[at] = scores["start"].numpy()[batch.mask] > 0
            _trees(student, scores, batch, said)
            logs = scores["entity"].log_softmax(-1).numpy()
            for b in range(len(batch.rows[0])):
                rows = batch.rows[batch.mask[:, b], b]
                first = np.isin(rows, columns.sentences)
                bounds = np.append(np.flatnonzero(first), len(rows)).astype(np.int32)
                spans, _ = entity_spans(np.ascontiguousarray(logs[: len(rows), b]), bounds)
                said.names.extend(
                    (int(rows[0]) + start, int(rows[0]) + end, _KIND_OF[TYPES[kind]])
                    for start, end, kind in spans.tolist()
                    if TYPES[kind] in _KIND_OF
                )
    return said


def _trees(
    student: Student, scores: dict[str, torch.Tensor], batch: Batch, said: Predicted
) -> None:
    found = np.zeros(batch.sentences.shape, np.int64)
    sizes = (batch.sentences >= 0).sum(1)
    arcs = scores["head"].numpy()
    for s, size in enumerate(sizes.tolist()):
        found[s, :size] = spanning_tree(np.ascontiguousarray(arcs[s, :size, : size + 1]))
    relations = student.relations(scores, torch.from_numpy(found)).argmax(-1).numpy()
    inside = batch.sentences >= 0
    words = batch.rows.reshape(-1)[batch.sentences[inside]]
    said.label["head"][words] = found[inside]
    said.label["relation"][words] = relations[inside]


def known_names(columns: Columns) -> list[Name]:
    """The names that the columns hold, in order."""
    found: list[Name] = []
    known = columns.known
    for start in np.flatnonzero(known % 2 == 1):
        end = int(start) + 1
        while end < len(known) and known[end] == known[start] + 1:
            end += 1
        found.append((int(start), end, _KINDS[int(known[start] - 1) // 2]))
    return found


def scores(columns: Columns, said: Predicted, labels: Labels) -> dict[str, float]:
    """F1 in per cent: of parsing where syntax is annotated, of names, and of sentence starts.

    Names are of the kinds that the columns hold; "Starts" are those that no paragraph gives away.
    """
    found: dict[str, float] = {}
    if (columns.label["head"] != UNKNOWN).any():
        gold = _sentences(columns, columns.label, columns.lemmas, labels)
        lemmas = _lemmas(columns, said, labels)
        measured = parsing_scores(gold, _sentences(columns, said.label, lemmas, labels))
        wanted = ("UPOS", "XPOS", "UFeats", "Lemmas", "UAS", "LAS")
        found = {name: 100 * measured[name].f1 for name in wanted}
        found["Starts"] = _starts(columns, said)
    names = known_names(columns)
    kinds = {kind for _, _, kind in names}
    own = [name for name in said.names if name[2] in kinds]
    found["Names"] = 100 * entity_scores([names], [own]).micro.f1
    return found


def _sentences(
    columns: Columns, label: dict[str, Ints], lemmas: list[str], labels: Labels
) -> list[Sentence]:
    """What was annotated but is none of the labels is "?", which is never right."""

    def named(head: str, names: tuple[str, ...]) -> list[str]:
        return [*map([*names, "?"].__getitem__, label[head])]

    forms = columns.forms
    upos, xpos = named("upos", labels.upos), named("xpos", labels.xpos)
    feats, relations = named("feats", labels.feats), named("relation", labels.relations)
    heads = label["head"].tolist()
    edges = columns.sentences.tolist()
    return [
        Sentence(
            forms[a:b], lemmas[a:b], upos[a:b], xpos[a:b], feats[a:b], heads[a:b], relations[a:b]
        )
        for a, b in itertools.pairwise(edges)
    ]


def _lemmas(columns: Columns, said: Predicted, labels: Labels) -> list[str]:
    words = zip(columns.forms, said.label["upos"], said.label["lemma"], strict=True)
    return [labels.lemmas.lemma(form, labels.upos[u], int(choice)) for form, u, choice in words]


def _starts(columns: Columns, said: Predicted) -> float:
    given = columns.sentences[:-1][columns.paragraph]
    wanted = columns.sentences[:-1][~columns.paragraph]
    found = np.setdiff1d(np.flatnonzero(said.start), given)
    gold, own = ([(int(at), 0, "") for at in places] for places in (wanted, found))
    return 100 * entity_scores([gold], [own]).micro.f1
