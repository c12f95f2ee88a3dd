"""Article bodies of web pages: F1 against people's truth, beside trafilatura in the same run.

    python bench/html_body.py --shared ../shared

Scored as the article-extraction benchmark does: shingles of four words as a multiset, counts of a
page normalised to one, precision and recall averaged over pages, F1 of the averages.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from salient.model import Kind, Part
from salient.readers import Limits, webpage

ROOT = Path(__file__).resolve().parents[1]

_WORD = re.compile(r"\w+")


def shingles(text: str, n: int = 4) -> Counter[tuple[str, ...]]:
    """Runs of `n` words with their counts; one shorter run when the text has fewer words."""
    words = _WORD.findall(text)
    starts = range(max(1, len(words) - n + 1)) if words else ()
    return Counter(tuple(words[i : i + n]) for i in starts)


def matches(truth: str, found: str, n: int = 4) -> tuple[float, float, float]:
    """True positives, false positives, false negatives; they add up to 1, or 0 for two empties."""
    wanted, got = shingles(truth, n), shingles(found, n)
    both = (wanted & got).total()
    extra, lost = got.total() - both, wanted.total() - both
    total = max(both + extra + lost, 1)
    return both / total, extra / total, lost / total


def score(counts: Iterable[tuple[float, float, float]]) -> dict[str, float]:
    """Mean precision, mean recall, and F1 of those two."""
    rows = list(counts)
    precision = statistics.fmean(tp / (tp + fp) for tp, fp, _ in rows if tp + fp)
    recall = statistics.fmean(tp / (tp + fn) for tp, _, fn in rows if tp + fn)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"f1": round(f1, 4), "precision": round(precision, 4), "recall": round(recall, 4)}


def ours(page: bytes, *, titled: bool) -> str:
    with tempfile.NamedTemporaryFile(suffix=".html") as file:
        file.write(page)
        file.flush()
        parts = [p for p in webpage.read(Path(file.name), Limits()) if isinstance(p, Part)]
    blocks = (b for p in parts for b in p.blocks)
    return "\n\n".join(b.text for b in blocks if titled or b.kind != Kind.TITLE)


def peer(page: bytes) -> str:
    import trafilatura

    return trafilatura.extract(page.decode("utf-8"), include_comments=False) or ""


SYSTEMS: dict[str, Callable[[bytes], str]] = {
    "salient": lambda page: ours(page, titled=False),
    "salient, title in the text": lambda page: ours(page, titled=True),
    "trafilatura": peer,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    folder = options.shared / "data" / "docs" / "article-extraction"
    with lzma.open(folder / "ground-truth.jsonl.xz", "rt", encoding="utf-8") as lines:
        truth = {row["id"]: row["articleBody"] for row in map(json.loads, lines)}
    pages = {k: gzip.decompress((folder / "html" / f"{k}.html.gz").read_bytes()) for k in truth}
    size_mb = sum(map(len, pages.values())) / 1e6
    summary: dict[str, object] = {
        "bench": "html_body",
        "at": datetime.now(UTC).isoformat(),
        "pages": len(pages),
    }
    for name, system in SYSTEMS.items():
        system(next(iter(pages.values())))  # imports are not the page's cost
        started = time.process_time()
        found = {key: system(page) for key, page in pages.items()}
        seconds = time.process_time() - started
        row = score(matches(truth[key], found[key]) for key in truth)
        row["mb_per_cpu_s"] = round(size_mb / seconds, 2)
        summary[name] = row
        print(
            f"{name:28} F1 {row['f1']:.4f}  P {row['precision']:.4f}  R {row['recall']:.4f}  {row['mb_per_cpu_s']:6.2f} MB/s"
        )
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    with (results / "html_body.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
