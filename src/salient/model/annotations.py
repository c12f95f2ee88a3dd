"""What the language engine says of a text: tokens and spans as columns, with lazy views for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.model import columns

FORMAT = 2
"""Of the stored artifact. Format 1 had no `feats`; it is read with that column empty."""

_OLDEST = 1


@dataclass(frozen=True, slots=True)
class Spans:
    """Labelled spans, sorted by (start, -end). Labels are codes into `Annotations.strings`."""

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    label: NDArray[np.int32]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row a token, in text order; `lemma, upos, xpos, feats, deprel` are codes into the strings.

    `head` is the row of the syntactic head, and a root is its own head. `sent_start` is True on the
    first token of a sentence. `feats` is written as in CoNLL-U, "Number=Sing|Person=3", but no features
    are "" and not "_". A column the engine does not fill holds code 0, the empty string.
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    lemma: NDArray[np.int32]
    upos: NDArray[np.int32]
    xpos: NDArray[np.int32]
    feats: NDArray[np.int32]
    head: NDArray[np.int32]
    deprel: NDArray[np.int32]
    sent_start: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Annotations:
    """All that one engine made of one text.

    - `strings[0]` is "". Codes are first-use order, so equal input gives equal bytes.
    - Offsets are code points of the canonical text.
    """

    engine: str
    """`name@version` of the engine."""
    language: str
    """ISO 639-1, or "und"."""
    language_score: float
    strings: tuple[str, ...]
    tokens: Tokens
    mentions: Spans
    keyphrases: Spans

    def sentences(self) -> NDArray[np.int32]:
        """(n_sentences, 2): first token row and one past the last."""
        first = np.flatnonzero(self.tokens.sent_start).astype(np.int32)
        if not len(first):
            return np.zeros((0, 2), np.int32)
        return np.stack([first, np.append(first[1:], len(self.tokens))], axis=1).astype(np.int32)

    def sentence_spans(self) -> NDArray[np.int32]:
        """(n_sentences, 2): start and end offsets in the text."""
        rows = self.sentences()
        if not len(rows):
            return rows
        return np.stack([self.tokens.start[rows[:, 0]], self.tokens.end[rows[:, 1] - 1]], axis=1)

    def labelled(self, spans: Spans) -> Iterator[tuple[int, int, str, float]]:
        """Each span as (start, end, label, score)."""
        for start, end, label, score in zip(
            spans.start, spans.end, spans.label, spans.score, strict=True
        ):
            yield int(start), int(end), self.strings[label], float(score)

    def words(self, column: NDArray[np.int32]) -> list[str]:
        """What the codes of a token column stand for, e.g. `words(tokens.lemma)`."""
        return [self.strings[code] for code in column.tolist()]

    def dump(self) -> bytes:
        arrays = {f"token_{n}": getattr(self.tokens, n) for n in Tokens.__slots__}
        for kind in ("mentions", "keyphrases"):
            spans = getattr(self, kind)
            arrays |= {f"{kind}_{n}": getattr(spans, n) for n in Spans.__slots__}
        header = {
            "format": FORMAT,
            "engine": self.engine,
            "language": self.language,
            "language_score": round(self.language_score, 4),
            "strings": list(self.strings),
        }
        return columns.dump(arrays, header)

    @classmethod
    def load(cls, data: bytes | memoryview) -> Annotations:
        """Raises Corrupt: `data` is not an annotation artifact of a known format."""
        header, arrays = columns.load(data)
        if header.get("format") not in range(_OLDEST, FORMAT + 1) or "token_start" not in arrays:
            raise Corrupt("stored annotations are not of this format", format=header.get("format"))
        if header["format"] == _OLDEST:
            arrays["token_feats"] = np.zeros(len(arrays["token_start"]), np.int32)
        return cls(
            engine=header["engine"],
            language=header["language"],
            language_score=header["language_score"],
            strings=tuple(header["strings"]),
            tokens=Tokens(**{n: arrays[f"token_{n}"] for n in Tokens.__slots__}),
            mentions=Spans(**{n: arrays[f"mentions_{n}"] for n in Spans.__slots__}),
            keyphrases=Spans(**{n: arrays[f"keyphrases_{n}"] for n in Spans.__slots__}),
        )


class Strings:
    """Codes for strings in first-use order; 0 is the empty string."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {"": 0}

    def code(self, text: str) -> int:
        return self._codes.setdefault(text, len(self._codes))

    def codes(self, texts: Sequence[str]) -> NDArray[np.int32]:
        code = self._codes
        return np.array([code.setdefault(t, len(code)) for t in texts], np.int32)

    def table(self) -> tuple[str, ...]:
        return tuple(self._codes)


def spans_from(rows: Sequence[tuple[int, int, str, float]], strings: Strings) -> Spans:
    """Columns from (start, end, label, score) rows, sorted."""
    turned = [(start, -end, label, score) for start, end, label, score in rows]
    ordered = sorted(turned, key=itemgetter(0, 1, 2))
    starts, ends, labels, scores = zip(*ordered, strict=True) if ordered else ((), (), (), ())
    return Spans(
        start=np.array(starts, np.int32),
        end=-np.array(ends, np.int32),
        label=strings.codes(labels),
        score=np.array(scores, np.float32),
    )
