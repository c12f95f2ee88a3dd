"""Score a student on columns: words and sentences as annotated, everything else its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from salient.nlp.training import data, pieces
from salient.nlp.training.data import TAGGERS, UNKNOWN, Columns, Ints, Labels
from salient.nlp.training.entities import TAGS, TYPES
from salient.nlp.training.network import Student

Floats = NDArray[np.float32]
Names = set[tuple[int, int, int]]
"""First word, end, and kind as `Columns.known` counts them."""

_KINDS: Final = {"PERSON": 0, "ORG": 1, "GPE": 2, "LOC": 2, "FAC": 2, "NORP": 3, "PRODUCT": 3, "EVENT": 3,
                 "WORK_OF_ART": 3, "LAW": 3, "LANGUAGE": 3}  # fmt: skip
__all__ = ["TAGS", "Names", "Predicted", "known_names", "names", "predict", "scores"]
_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the student says of every word of columns; all (n_words,) but `names`."""

    label: dict[str, Ints]
    """By head, as in `Columns.label`."""
    start: NDArray[np.bool_]
    names: Names


def predict(
    student: Student, columns: Columns, *, n_words: int = 4000, most_words: int = 1000
) -> Predicted:
    """Read the documents in pieces as long as the engine's. Draws nothing at random."""
    drawn = list(pieces.pieces(columns, np.random.default_rng(0), pieces.Changes.none(most_words)))
    label = {head: np.full(columns.n_words, UNKNOWN, np.int32) for head in data.HEADS}
    start, found = np.zeros(columns.n_words, bool), Names()
    first = np.zeros(columns.n_words, bool)
    first[columns.sentences[:-1]] = True
    student.eval()
    with torch.inference_mode():
        for batch in pieces.batches(columns, drawn, n_words=n_words, syntax_everywhere=True):
            scores = student(batch)
            at = batch.rows[batch.mask]
            for name in TAGGERS:
                label[name][at] = scores[name].argmax(-1).numpy()[batch.mask]
            start[at] = scores["start"].numpy()[batch.mask] > 0
            start[batch.rows[0]] = True
            words = np.where(batch.sentences >= 0, batch.rows.reshape(-1)[batch.sentences], -1)
            inside = words >= 0
            heads = scores["head"].argmax(-1)
            label["head"][words[inside]] = heads.numpy()[inside]
            relations = student.relations(scores, heads).argmax(-1).numpy()
            label["relation"][words[inside]] = relations[inside]
            logs = scores["entity"].log_softmax(-1).numpy()
            found |= names(logs, batch.rows, first)
    return Predicted(label, start, found)


def names(logs: Floats, rows: NDArray[np.int64], first: NDArray[np.bool_]) -> Names:
    """The likeliest names that do not overlap or cross into another sentence.

    Args:
        logs: (T, B, N_TAGS) logarithms of probabilities.
        rows: (T, B): which word each is, or -1.
        first: by word, whether a sentence begins with it.

    A state is "between names" or "in a name of type k", which is all that BIOLU's order needs.
    """
    height, width, _ = logs.shape
    n = len(TYPES)
    positions = logs[..., 1:].reshape(height, width, n, 4)
    closed, opened = np.zeros(width, np.float32), np.full((width, n), _NEVER, np.float32)
    came = np.zeros((height, width), np.int64)  # to "between": -1 by O, k by U, n + k by L
    held = np.zeros((height, width, n), bool)  # whether "in k" goes on from "in k"
    for t in range(height):
        opened = np.where((first[rows[t]] | (rows[t] < 0))[:, None], _NEVER, opened)
        begin, inside, last, unit = (positions[t, :, :, p] for p in range(4))
        options = np.concatenate(
            [closed[:, None] + logs[t, :, :1], closed[:, None] + unit, opened + last], 1
        )
        fresh, going = closed[:, None] + begin, opened + inside
        came[t] = options.argmax(1) - 1
        held[t] = going > fresh
        closed, opened = options.max(1), np.maximum(fresh, going)
    found: Names = set()
    for b in range(width):
        t = int((rows[:, b] >= 0).sum()) - 1
        while t >= 0:
            choice = int(came[t, b])
            end = t
            if choice >= n:
                t -= 1
                while held[t, b, choice - n]:
                    t -= 1
            kind = _KINDS.get(TYPES[choice % n]) if choice >= 0 else None
            if kind is not None:
                found.add((int(rows[t, b]), int(rows[end, b]) + 1, kind))
            t -= 1
    return found


def known_names(known: NDArray[np.int8]) -> Names:
    """The names of `Columns.known`."""
    found: Names = set()
    for start in np.flatnonzero(known % 2 == 1):
        end = int(start) + 1
        while end < len(known) and known[end] == known[start] + 1:
            end += 1
        found.add((int(start), end, int(known[start] - 1) // 2))
    return found


def scores(columns: Columns, predicted: Predicted, labels: Labels) -> dict[str, float]:
    """Per cent, of the words whose syntax is annotated, and F1 of names and of sentence starts.

    UFeats are whole strings; LAS leaves subtypes aside; names are of the kinds that the columns hold.
    """
    found: dict[str, float] = {}
    known = columns.label["head"] != UNKNOWN
    if known.any():
        right = {
            head: columns.label[head][known] == predicted.label[head][known] for head in data.HEADS
        }
        plain = {r: i for i, r in enumerate({r.split(":")[0] for r in labels.relations})}
        universal = np.array([plain[r.split(":")[0]] for r in labels.relations] + [UNKNOWN])
        related = (
            universal[columns.label["relation"][known]]
            == universal[predicted.label["relation"][known]]
        )
        shares = {
            "UPOS": right["upos"], "XPOS": right["xpos"], "UFeats": right["feats"],
            "Lemmas": _lemmas_right(columns, predicted, labels)[known], "UAS": right["head"],
            "LAS": right["head"] & related,
        }  # fmt: skip
        found = {name: 100 * float(share.mean()) for name, share in shares.items()}
        found["Starts"] = _starts(columns, predicted)
    gold = known_names(columns.known)
    kinds = {kind for _, _, kind in gold}
    found["Names"] = _f1(gold, {name for name in predicted.names if name[2] in kinds})
    return found


def _lemmas_right(columns: Columns, predicted: Predicted, labels: Labels) -> NDArray[np.bool_]:
    return np.array([
        labels.lemmas.lemma(form, labels.upos[upos], int(choice)) == lemma
        for form, lemma, upos, choice in zip(
            columns.forms, columns.lemmas, predicted.label["upos"], predicted.label["lemma"], strict=True
        )
    ])  # fmt: skip


def _starts(columns: Columns, predicted: Predicted) -> float:
    """F1 of the sentence starts that no unit's start gives away."""
    asked = np.zeros(columns.n_words, bool)
    told = columns.sentences[:-1][columns.paragraph]
    starts = columns.sentences[:-1][~columns.paragraph]
    asked[told] = True
    said = set(np.flatnonzero(predicted.start & ~asked).tolist())
    return _f1({(int(s), 0, 0) for s in starts}, {(s, 0, 0) for s in said})


def _f1(gold: Names, said: Names) -> float:
    return 200 * len(gold & said) / max(len(gold) + len(said), 1)
