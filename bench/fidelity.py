"""How true the text of PDFs is: similarity to known texts, beside PDFium's own order, and speed.

    python bench/fidelity.py --shared ../shared

Similarity is 1 - d / (n + m), with d the insert-delete distance of the texts with all white space
runs made one blank. Speed is pages by CPU-second of this process, reading alone.
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
import resource
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2 as pdfium
from rapidfuzz.distance import Indel

from salient.model import Builder, Part
from salient.readers import Limits, reader

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    group: str
    name: str
    pages: int
    similarity: float
    plain: float
    """The same for PDFium's text in content order."""
    pages_per_cpu_s: float
    plain_pages_per_cpu_s: float


def normalised(text: str) -> str:
    return " ".join(text.split())


def similarity(ours: str, truth: str) -> float:
    """1 for equal texts but for white space, 0 for nothing in common.

    Long texts are compared whole, by a cutoff that only very unlike texts reach.
    """
    return float(Indel.normalized_similarity(normalised(ours), normalised(truth)))


def ours(file: Path) -> tuple[str, int, float]:
    """Text, pages, CPU-seconds."""
    started = time.process_time()
    builder = Builder()
    n_pages = 0
    for piece in reader("application/pdf")(file, Limits()):
        n_pages += isinstance(piece, Part)
        builder.feed([piece])
    text = builder.build().text
    return text, n_pages, time.process_time() - started


def plain(file: Path) -> tuple[str, float]:
    """PDFium's text as it stands in the content, hyphens and all; CPU-seconds."""
    started = time.process_time()
    document = pdfium.PdfDocument(file)
    pages: list[str] = []
    for page in document:
        textpage = page.get_textpage()
        pages.append(textpage.get_text_range())
        textpage.close()
        page.close()
    document.close()
    return "\n".join(pages), time.process_time() - started


def cuad(shared: Path) -> Iterator[tuple[str, Path, str]]:
    folder = shared / "data" / "contracts" / "cuad"
    files = {f.stem.strip(): f for f in sorted((folder / "pdf").glob("*.pdf"))}
    with lzma.open(folder / "contracts.jsonl.xz", "rt", encoding="utf-8") as rows:
        for row in rows:
            record = json.loads(row)
            if (file := files.get(record["id"].strip())) is not None:
                yield "cuad", file, record["text"]


def docling(shared: Path) -> Iterator[tuple[str, Path, str]]:
    """Truth is Markdown: its marks, and what stands for pictures, are taken out of both sides."""
    folder = shared / "data" / "docs" / "docling" / "pdf"
    for file in sorted((folder / "sources").glob("*.pdf")):
        truth = folder / "groundtruth" / f"{file.stem}.md"
        if truth.exists():
            yield "docling", file, unmarked(truth.read_text("utf-8"))


def unmarked(markdown: str) -> str:
    text = re.sub(r"<!--.*?-->", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"^\|[\s:|-]+\|$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"^(?:#+|[-*]|\d+\.)\s", "", text, flags=re.MULTILINE)
    return re.sub(r"[|*`\\]|&amp;|&lt;|&gt;", " ", text)


def measure(group: str, file: Path, truth: str) -> Row:
    text, n_pages, seconds = ours(file)
    flat, plain_seconds = plain(file)
    return Row(
        group,
        file.stem,
        n_pages,
        round(similarity(text, truth), 4),
        round(similarity(flat, truth), 4),
        round(n_pages / max(seconds, 1e-6), 1),
        round(n_pages / max(plain_seconds, 1e-6), 1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--only", choices=["cuad", "docling"])
    options = parser.parse_args()
    rows: list[Row] = []
    for source in (cuad, docling):
        if options.only and source.__name__ != options.only:
            continue
        for group, file, truth in source(options.shared):
            row = measure(group, file, truth)
            rows.append(row)
            print(
                f"{row.group:8} {row.similarity:.4f} {row.plain:.4f} {row.pages:4} "
                f"{row.pages_per_cpu_s:7.1f} {row.name[:60]}"
            )
    summary: dict[str, object] = {"bench": "fidelity", "at": datetime.now(UTC).isoformat()}
    for group in dict.fromkeys(row.group for row in rows):
        mine = [row for row in rows if row.group == group]
        pages = sum(row.pages for row in mine)
        summary[group] = {
            "files": len(mine),
            "pages": pages,
            "median": statistics.median(row.similarity for row in mine),
            "mean": round(statistics.fmean(row.similarity for row in mine), 4),
            "least": min(row.similarity for row in mine),
            "plain_median": statistics.median(row.plain for row in mine),
            "plain_mean": round(statistics.fmean(row.plain for row in mine), 4),
            "pages_per_cpu_s": round(
                pages / sum(row.pages / row.pages_per_cpu_s for row in mine), 1
            ),
        }
    summary["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    summary["rows"] = [asdict(row) for row in rows]
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    with (results / "fidelity.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(summary) + "\n")
    print(json.dumps({k: v for k, v in summary.items() if k != "rows"}))


if __name__ == "__main__":
    main()
