"""Join the rows that engines make for parts of a text into the columns of its annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salient.model import Annotations, Strings, Tokens, spans_from

Ints = NDArray[np.int32]


@dataclass(slots=True)
class Rows:
    """Token columns of a part of a text. `head` counts rows of this part; codes are the text's."""

    start: Ints
    end: Ints
    lemma: Ints
    upos: Ints
    xpos: Ints
    feats: Ints
    head: Ints
    deprel: Ints
    sent_start: NDArray[np.bool_]


def plain_rows(start: Ints, end: Ints, upos: Ints, sent_start: NDArray[np.bool_]) -> Rows:
    """Rows without lemmas or syntax: every token is its sentence's root."""
    n = len(start)
    empty = np.zeros(n, np.int32)
    return Rows(
        start, end, empty, upos, empty, empty, np.arange(n, dtype=np.int32), empty, sent_start
    )


def join(parts: Sequence[Rows]) -> Tokens:
    """One table out of parts that do not overlap, in text order."""
    if not parts:
        none = np.zeros(0, np.int32)
        parts = [plain_rows(none, none, none, np.zeros(0, np.bool_))]
    if len(parts) == 1:
        return Tokens(*(getattr(parts[0], name) for name in Tokens.__slots__))
    shift = np.cumsum([0, *[len(p.start) for p in parts]])
    start = np.concatenate([p.start for p in parts]).astype(np.int32, copy=False)
    order = np.argsort(start, kind="stable")
    row_of = np.empty(len(order), np.int32)
    row_of[order] = np.arange(len(order), dtype=np.int32)
    heads = np.concatenate([p.head + s for p, s in zip(parts, shift[:-1], strict=True)])

    def column(name: str) -> Ints:
        joined = np.concatenate([getattr(p, name) for p in parts])[order]
        return joined.astype(np.int32, copy=False)

    return Tokens(
        start=start[order],
        end=column("end"),
        lemma=column("lemma"),
        upos=column("upos"),
        xpos=column("xpos"),
        feats=column("feats"),
        head=row_of[heads[order]],
        deprel=column("deprel"),
        sent_start=np.concatenate([p.sent_start for p in parts])[order],
    )


Spans = Sequence[tuple[int, int, str, float]]


def assembled(
    engine: str,
    language: tuple[str, float],
    strings: Strings,
    tokens: Tokens,
    mentions: Spans,
    keyphrases: Spans,
) -> Annotations:
    """All that an engine made of a text.

    Args:
        language: with its score.
        mentions, keyphrases: (start, end, label, score), in any order.
    """
    found, phrases = spans_from(mentions, strings), spans_from(keyphrases, strings)
    return Annotations(
        engine=engine,
        language=language[0],
        language_score=language[1],
        strings=strings.table(),
        tokens=tokens,
        mentions=found,
        keyphrases=phrases,
    )
