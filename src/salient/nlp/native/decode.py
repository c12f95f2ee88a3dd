"""Where sentences begin and end, and what a rule makes of a word: what the network's scores leave open."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LONGEST: Final = 200
"""Tokens that are parsed together. The arcs of a sentence are as many as its length squared."""

LOWER, KEEP, TITLE, UPPER = range(4)
"""What a rule makes of a lemma's case: small letters, as the word has it, "Abc", "ABC"."""

Ints = NDArray[np.int32]


LIKELY: Final = -0.5
"""The network's own logit, before any temperature, from which a sentence begins. A little below even odds most of the sentences of the held-out twentieth
are found whole, of the web and of GUM alike: what annotators part without a sign is told late.
"""


def sentence_bounds(
    start: NDArray[np.float32],
    must: NDArray[np.bool_],
    may: NDArray[np.bool_],
    likely: float = 0.0,
) -> tuple[Ints, Ints]:
    """Part tokens into sentences, and those into stretches that are parsed by themselves.

    A sentence begins where it must, and where it may and is likely enough to. One that is longer than
    LONGEST is cut at the likeliest of the places where a sentence may begin; where there is none for
    so long, it stays one sentence but is parsed in stretches.

    Args:
        start: (n,): a sentence begins here, as a logit.
        must: (n,): it does, whatever the network says; True for the first.
        may: (n,): it can.
        likely: the logit from which it does.

    Returns:
        Rows where sentences and where stretches begin, and n at the end of both.
    """
    n = len(start)
    begins = must | (may & (start > likely))
    parsed = begins.copy()
    first = np.flatnonzero(begins)
    ends = np.append(first[1:], n)
    long = np.flatnonzero(ends - first > LONGEST)
    for begin, end in zip(first[long].tolist(), ends[long].tolist(), strict=True):
        at = begin
        while end - at > LONGEST:
            window = slice(at + 1, at + LONGEST + 1)
            allowed = bool(may[window].any())
            best = np.where(may[window], start[window], -np.inf) if allowed else start[window]
            at += 1 + int(np.argmax(best))
            parsed[at], begins[at] = True, allowed
    sentences, stretches = (
        np.append(np.flatnonzero(b), n).astype(np.int32) for b in (begins, parsed)
    )
    return sentences, stretches


def joined(heads: Ints, sentences: Ints, stretches: Ints) -> Ints:
    """Make one tree of the stretches of each sentence: later roots hang from the first one. In place.

    Returns:
        The rows that were such roots.
    """
    if len(sentences) == len(stretches):
        return np.zeros(0, np.int32)
    roots = np.flatnonzero(heads == np.arange(len(heads)))
    sentence = np.searchsorted(sentences, roots, side="right")
    later = np.flatnonzero(sentence[1:] == sentence[:-1]) + 1
    first = roots[np.searchsorted(sentence, sentence[later])]
    heads[roots[later]] = first
    return roots[later].astype(np.int32)


def lemma_by(rule: Any, form: str) -> str | None:
    """The lemma that a rule makes of a form, or None where it does not fit.

    A rule is a casing and an edit: None of nothing; (from, to); or (i, j, left, right), which edits the
    first i characters and the last j, and keeps those between.

    Source: edit trees, Chrupała 2008, ch. 6.
    """
    casing, edit = rule
    made = _edited(edit, form)
    if made is None or casing == KEEP:
        return made
    if casing == TITLE:
        return made[:1].upper() + made[1:].lower()
    return made.upper() if casing == UPPER else made.lower()


def _edited(edit: Any, form: str) -> str | None:
    if edit is None:
        return None if form else ""
    if len(edit) == 2:
        return str(edit[1]) if form.lower() == edit[0] else None
    first, last, left, right = edit
    end = len(form) - last
    if end < first:
        return None
    head, tail = _edited(left, form[:first]), _edited(right, form[end:])
    return None if head is None or tail is None else head + form[first:end] + tail
