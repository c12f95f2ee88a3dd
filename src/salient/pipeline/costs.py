"""What a document will cost, from its name and size: seconds of one worker, learned as work goes on.

Batches are sized by it and plans are made with it. It is an expectation over many documents, not a
promise for one: a page of text and a photograph of a page can have the same number of bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Self

SCAN = "scan"
"""The family of what is read by OCR: images, and documents whose pages have no text."""

_SUFFIXES: dict[str, tuple[str, ...]] = {
    "pdf": (".pdf",),
    SCAN: (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif"),
    "office": (
        ".docx", ".doc", ".docm", ".dotx", ".odt", ".rtf", ".epub", ".pptx", ".ppt", ".ppsx", ".odp", ".pages", ".key",
    ),
    "sheet": (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".csv", ".tsv"),
    "web": (".html", ".htm", ".xhtml", ".xml", ".nxml", ".svg"),
    "mail": (".eml", ".msg", ".mbox"),
    "archive": (".zip", ".tar", ".tgz", ".gz", ".tbz", ".bz2", ".txz", ".xz", ".7z", ".rar", ".zst"),
    "text": (
        ".txt", ".md", ".rst", ".adoc", ".asciidoc", ".tex", ".json", ".jsonl", ".vtt", ".log", ".yaml", ".yml", ".toml",
        ".ini", ".py", ".js", ".ts", ".java", ".c", ".h", ".cpp", ".go", ".rs", ".sql", ".sh", ".css",
    ),
}  # fmt: skip
_FAMILY = {suffix: family for family, suffixes in _SUFFIXES.items() for suffix in suffixes}
OTHER = "other"
FAMILIES = (*_SUFFIXES, OTHER)

_MEMORY = 500  # observations after which an old one counts a third
_RATIO = 8.0  # an observation counts as at most so many times what was expected, and at least a part as small
_LEAST_S = 0.0005


def family(name: str, *, ocr: bool = False) -> str:
    """The family of a document: one of `FAMILIES`.

    Args:
        ocr: it is known that its pages have no text.
    """
    return SCAN if ocr else _FAMILY.get(PurePosixPath(name).suffix.lower(), OTHER)


@dataclass(slots=True)
class Line:
    """Seconds as a fixed part and a part for each megabyte, fitted to what was observed so far.

    Observations are weighted by one over what was expected, since what takes long also varies more,
    and old ones fade. One that is far from the expectation is drawn near, so that a document that hung
    for a quarter of an hour does not stand for its family. Neither part is ever negative.

    Cost: O(1) time an observation, five numbers of memory.
    """

    fixed_s: float
    rate_s: float
    """Seconds a megabyte."""
    w: float = 0.0
    wx: float = 0.0
    wxx: float = 0.0
    wy: float = 0.0
    wxy: float = 0.0

    @classmethod
    def prior(
        cls, fixed_s: float, rate_s: float, typical_bytes: float, weight: float = 4.0
    ) -> Self:
        """A line that is believed as if it had been observed `weight` times around a typical size."""
        line = cls(fixed_s, rate_s)
        for size in (0.0, 2 * typical_bytes):
            line._add(size / 1e6, line.at(size), weight / 2)
        return line

    def at(self, size_bytes: float) -> float:
        """Seconds expected at a size."""
        return max(_LEAST_S, self.fixed_s + self.rate_s * size_bytes / 1e6)

    def observe(self, size_bytes: float, seconds: float, n: float = 1.0) -> None:
        """Learn that a document of that size took so long; or the mean of `n` like it."""
        expected = self.at(size_bytes)
        near = min(max(seconds, expected / _RATIO), expected * _RATIO)
        fade = (1 - 1 / _MEMORY) ** n
        self.w, self.wx, self.wxx = self.w * fade, self.wx * fade, self.wxx * fade
        self.wy, self.wxy = self.wy * fade, self.wxy * fade
        self._add(size_bytes / 1e6, near, n)
        self._fit()

    def _add(self, x: float, y: float, n: float) -> None:
        weight = n / max(_LEAST_S, self.fixed_s + self.rate_s * x)
        self.w += weight
        self.wx += weight * x
        self.wxx += weight * x * x
        self.wy += weight * y
        self.wxy += weight * x * y

    def _fit(self) -> None:
        spread = self.w * self.wxx - self.wx**2
        if spread <= 1e-9 * self.w * self.wxx:
            # All of one size: the line keeps its slope and goes through their mean.
            scale = self.wy / max(1e-12, self.fixed_s * self.w + self.rate_s * self.wx)
            self.fixed_s, self.rate_s = self.fixed_s * scale, self.rate_s * scale
            return
        rate = (self.w * self.wxy - self.wx * self.wy) / spread
        fixed = (self.wy - rate * self.wx) / self.w
        if rate < 0:
            fixed, rate = self.wy / self.w, 0.0
        elif fixed < 0:
            fixed, rate = 0.0, self.wxy / self.wxx
        self.fixed_s, self.rate_s = fixed, rate


# Family -> seconds a document, seconds a megabyte, typical bytes: processor time with spaCy's small model
# for the samples of docling and pypdf, patents, and 60 contracts, rounded. They only have to be of the
# right size: what a megabyte holds differs a hundredfold, and the first documents of a run say how much.
_PRIORS: dict[str, tuple[float, float, float]] = {
    "pdf": (0.05, 5.0, 150_000),
    SCAN: (0.3, 2.0, 200_000),
    "office": (0.03, 1.5, 60_000),
    "sheet": (0.03, 1.0, 60_000),
    "web": (0.05, 8.0, 80_000),
    "mail": (0.03, 8.0, 20_000),
    "archive": (0.05, 0.5, 500_000),
    "text": (0.03, 28.0, 10_000),
    OTHER: (0.05, 2.0, 50_000),
}


class Costs:
    """Expected seconds of documents by family. Not for threads.

    - `expected_s` is positive and does not fall with size.
    - Observations move it at once and fade; none moves it far. Memory is constant.
    - `load(dump())` is the same.
    """

    def __init__(self) -> None:
        self._lines = {f: Line.prior(*_PRIORS[f]) for f in FAMILIES}

    def expected_s(self, name: str, size_bytes: int, *, ocr: bool = False) -> float:
        """Seconds of one worker, conversion included, that a document is expected to take."""
        return self._lines[family(name, ocr=ocr)].at(size_bytes)

    def observe(self, name: str, size_bytes: int, seconds: float, *, ocr: bool = False) -> None:
        """Learn from a document whose every stage ran: the seconds of all of them."""
        if seconds >= 0:
            self._lines[family(name, ocr=ocr)].observe(size_bytes, seconds)

    def dump(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: asdict(line) for name, line in self._lines.items()}

    @classmethod
    def load(cls, data: Mapping[str, Mapping[str, float]]) -> Self:
        """What `dump` gave; families it did not know start anew, those unknown here are left out."""
        costs = cls()
        for name, line in data.items():
            if name in costs._lines:
                costs._lines[name] = Line(**line)
        return costs
