"""Word and document vectors by negative sampling: the definition of one pass over a run of text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["train_embeddings"]

MEAN, WORDS, LEARN_WORDS, LEARN_OUTPUTS, LEARN_DOCS = 1, 2, 4, 8, 16
SENTENCE = 1024
MOST_NEGATIVES, WIDEST = 23, 32
_M64 = (1 << 64) - 1

Floats = NDArray[np.float32]


def train_embeddings(  # noqa: C901 - one loop, whose state is all of it
    corpus: NDArray[np.int32],
    inputs: Floats,
    outputs: Floats,
    docs: Floats,
    keep: Floats,
    negatives: NDArray[np.int32],
    piece_starts: NDArray[np.int64],
    pieces: NDArray[np.int32],
    window: int,
    k: int,
    flags: int,
    rate0: float,
    rate1: float,
    seed: int,
) -> tuple[int, float, int]:
    """Train on a run of text, changing `inputs`, `outputs` and `docs` in place.

    At each word of a sentence a window of 1 to `window` words to either side is drawn. All its words
    (their mean under MEAN) are trained against the word in the middle and the same `k` negatives, as
    one small matrix product; a negative that is the word itself is left out. With pieces, a word's
    input is the mean of its rows, made when the word comes within `window` of the middle and given
    back, as the change of that mean to each row, when it has gone by: Hogwild batches, in one thread.

    Equal seeds give equal bits on one machine; FMA makes the last digits differ between machines.

    Args:
        corpus: (n,) words by number; -1 ends a sentence, -2 - d begins document d. Sentences are
            cut at SENTENCE words.
        inputs: (n_rows, dim), `outputs` (n_words, dim), `docs` (n_docs, dim): C-contiguous, dim a
            multiple of 8. No docs: (0, dim).
        keep: (n_words,), the chance that a use is trained on; 1 and more is always.
        negatives: 2**b words, drawn from evenly.
        piece_starts: (n_words + 1,), and `pieces` the rows of `inputs` of all words; empty for the
            word's own row.
        flags: MEAN (CBOW, PV-DM), WORDS (the window's words are inputs; without it only the document's
            row is, PV-DBOW) and what is changed: LEARN_WORDS, LEARN_OUTPUTS, LEARN_DOCS.
        rate0: learning rate at the beginning, `rate1` at the end of the corpus.

    Returns:
        Words read, the sum of squared errors of predictions, and the pairs (context, word) of it.

    Raises:
        ValueError: sizes are wrong; numbers inside `corpus` and `pieces` are trusted.

    Source: Mikolov et al. 2013, arXiv:1310.4546; Le & Mikolov 2014, arXiv:1405.4053; Bojanowski et
        al. 2017, arXiv:1607.04606; shared negatives as in Ji et al. 2016, arXiv:1604.04661.
    """
    check(inputs, outputs, docs, negatives, window, k)
    state = (seed * 0x9E3779B97F4A7C15 + 1) & _M64 or 1

    def random() -> int:
        nonlocal state
        state ^= (state << 13) & _M64
        state ^= state >> 7
        state ^= (state << 17) & _M64
        return (state * 0x2545F4914F6CDD1D) & _M64

    def draw(word: int) -> tuple[list[int], Floats]:
        found = [int(negatives[(random() >> 20) & (len(negatives) - 1)]) for _ in range(k)]
        return [word, *found], np.array([1, *(w != word for w in found)], np.float32)

    def composed(word: int) -> list[Floats]:
        rows = inputs[pieces[piece_starts[word] : piece_starts[word + 1]]]
        mean = rows.sum(axis=0) / np.float32(max(len(rows), 1))
        return [mean.copy(), mean]

    def given(word: int, made: list[Floats]) -> None:
        for row in pieces[piece_starts[word] : piece_starts[word + 1]]:
            inputs[row] += made[0] - made[1]

    def trained(rows: list[Floats], changes: list[bool], targets: list[int], on: Floats) -> float:
        wanted = np.zeros(k + 1, np.float32)
        wanted[0] = 1
        old = outputs[targets].copy()
        errors = [(wanted - _sigmoid(old @ row)) * on for row in rows]
        moved = np.zeros_like(old)
        for at, error in enumerate(errors):
            moved += np.outer(error * rate, rows[at])
            if changes[at]:
                rows[at] += (error * rate) @ old
        if flags & LEARN_OUTPUTS:
            for target, move in zip(targets, moved, strict=True):
                outputs[target] += move
        return float(sum((e.astype(np.float64) ** 2).sum() for e in errors))

    has_pieces = len(piece_starts) > 0 and bool(flags & WORDS)
    words, loss, pairs, position, doc = 0, 0.0, 0, 0, -1
    while position < len(corpus):
        rate = np.float32(
            rate0 + (rate1 - rate0) * np.float32(position) / np.float32(max(len(corpus), 1))
        )
        sentence: list[int] = []
        next_doc = doc
        while position < len(corpus) and len(sentence) < SENTENCE:
            word = int(corpus[position])
            position += 1
            if word < 0:
                next_doc = -2 - word if word < -1 else doc
                break
            words += 1
            if keep[word] < 1 and np.float32((random() >> 40) / 16777216) > keep[word]:
                continue
            sentence.append(word)
        made: dict[int, list[Floats]] = {}
        drawn = draw(sentence[0]) if sentence else ([], np.zeros(0, np.float32))
        if has_pieces:
            made = {i: composed(word) for i, word in enumerate(sentence[:window])}
        for i in range(len(sentence)):
            reach = 1 + (random() >> 33) % window
            if has_pieces:
                if i > window and flags & LEARN_WORDS:
                    given(sentence[i - window - 1], made[i - window - 1])
                if i + window < len(sentence):
                    made[i + window] = composed(sentence[i + window])
            near: list[int] = []
            if flags & WORDS:
                near = [p for p in range(max(0, i - reach), min(len(sentence), i + reach + 1)) if p != i]  # fmt: skip
            rows = [made[p][0] if has_pieces else inputs[sentence[p]] for p in near]
            changes = [bool(flags & LEARN_WORDS)] * len(rows)
            if doc >= 0 and len(docs):
                rows.append(docs[doc])
                changes.append(bool(flags & LEARN_DOCS))
            targets, on = drawn
            if i + 1 < len(sentence):
                drawn = draw(sentence[i + 1])
            if not rows:
                continue
            if not flags & MEAN:
                loss += trained(rows, changes, targets, on)
                pairs += len(rows)
                continue
            mean: Floats = np.asarray(
                np.sum(rows, axis=0, dtype=np.float32) / np.float32(len(rows))
            )
            before = mean.copy()
            loss += trained([mean], [True], targets, on)
            pairs += 1
            for at, changed in enumerate(changes):
                if changed:
                    rows[at] += mean - before
        if has_pieces and flags & LEARN_WORDS:
            for i in range(max(0, len(sentence) - window - 1), len(sentence)):
                given(sentence[i], made[i])
        doc = next_doc
    return words, loss, pairs


def check(
    inputs: Floats, outputs: Floats, docs: Floats, negatives: NDArray[np.int32], window: int, k: int
) -> None:
    """Refuse sizes that the loops do not have."""
    dim = inputs.shape[1]
    if dim < 8 or dim % 8 or outputs.shape[1] != dim or docs.shape[1] != dim:
        raise ValueError("rows are of the same multiple of 8 floats")
    if not 1 <= window <= WIDEST or not 0 <= k <= MOST_NEGATIVES:
        raise ValueError(f"a window is 1 to {WIDEST}, negatives 0 to {MOST_NEGATIVES}")
    if len(negatives) < 1 or len(negatives) & (len(negatives) - 1):
        raise ValueError("negatives are drawn from a power of two of words")


def _sigmoid(x: Floats) -> Floats:
    clipped = np.clip(x.astype(np.float64), -30, 30)
    return (1 / (1 + np.exp(-clipped))).astype(np.float32)
