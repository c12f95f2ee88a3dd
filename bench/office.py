"""Text kept by the readers of office and text formats, against the expected text of Docling's tests.

    python bench/office.py --shared ../shared

Recall: words of the expected text that ours has (as a multiset, mark-up of the expectation apart).
Precision: words of ours that the expectation has. Expected texts repeat the text of spanned cells and
describe pictures, and ours has headers, notes and computed numbers, so neither reaches 1; words that
are missed altogether count in `vocabulary` (distinct words of the expectation that ours has).

Two things are taken out of an expectation first, for no reader of ours gives them by design: reviewers'
comments (a note counts them: what a reviewer asks is not what the document says), and the numbers of
charts in workbooks, which repeat the cells that they are drawn from. What still keeps recall down is
the text of merged cells, given once here and once a covered cell there (xlsx_01, powerpoint_sample,
word_tables), and midnight, given as a date alone (`00:00:00` in xlsx_02); what keeps precision down is
charts and speakers' notes of slides, which ours has (pptx_chart, powerpoint_sample).
"""

from __future__ import annotations

import argparse
import html
import json
import re
import statistics
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

from salient.errors import Error
from salient.model import Builder
from salient.readers import Limits, reader
from salient.readers.recognise import recognise

ROOT = Path(__file__).resolve().parents[1]

GROUPS = (
    "docx",
    "pptx",
    "xlsx",
    "xls",
    "doc",
    "ppt",
    "html",
    "csv",
    "md",
    "odf",
    "epub",
    "webvtt",
    "asciidoc",
    "jats",
)
_WORD = re.compile(r"\w+")
_COMMENT = re.compile(r"^\[author: .*?(?=^\[author: |\n\n|\Z)", re.M | re.S)
_CHART = re.compile(r"^(?:\w+ )?chart\n\n(?:\|.*\n?)+", re.M | re.I)


def shown(markdown: str, *, charts: bool = True) -> str:
    """What the expected Markdown says, without comments, marks and addresses."""
    text = _COMMENT.sub("", markdown)
    text = re.sub(r"<!--.*?-->", " ", text if charts else _CHART.sub("", text), flags=re.S)
    text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r" \1 ", text)
    text = re.sub(r"\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    text = re.sub(r"\$\$?.*?\$\$?", " ", text, flags=re.S) if "$" in text else text
    return html.unescape(
        re.sub(r"(?<!\w)[*_`#|]+|[*`|]+|\\(?=[_*#])", " ", text).replace("\\_", "_")
    )


def words(text: str) -> Counter[str]:
    return Counter(w.strip("_") for w in _WORD.findall(text.lower()) if w.strip("_"))


def measure(source: Path, truth: Path) -> tuple[float, float, float, float] | None:
    """Recall, precision, vocabulary, CPU-seconds; None when the expectation has no words."""
    started = time.process_time()
    builder = Builder()
    builder.feed(reader(recognise(source, source.name))(source, Limits()))
    seconds = time.process_time() - started
    wanted = words(
        shown(truth.read_text(encoding="utf-8"), charts=not source.name.endswith("xlsx"))
    )
    got = words(builder.build().text)
    if not wanted or not got:
        return None
    both = (wanted & got).total()
    return (
        both / wanted.total(),
        both / got.total(),
        len(wanted.keys() & got.keys()) / len(wanted),
        seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--worst", type=int, default=12)
    options = parser.parse_args()
    rows: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    files: list[tuple[float, float, float, str]] = []
    for group in GROUPS:
        folder = options.shared / "data" / "docs" / "docling" / group
        for truth in sorted((folder / "groundtruth").rglob("*.md")):
            source = folder / "sources" / truth.name.removesuffix(".md")
            if not source.is_file():
                continue
            try:
                found = measure(source, truth)
            except Error as error:
                print(f"{group}/{source.name}: {error}")
                continue
            if found:
                rows[group].append(found)
                files.append((*found[:3], f"{group}/{source.name}"))
    summary: dict[str, object] = {"bench": "office", "at": datetime.now(UTC).isoformat()}
    print("format     files  recall  precision  vocabulary  ms a file")
    for group, found in rows.items():
        recall, precision, vocabulary, seconds = (
            statistics.fmean(c) for c in zip(*found, strict=True)
        )
        print(
            f"{group:10} {len(found):5} {recall:7.3f} {precision:10.3f} {vocabulary:11.3f} {seconds * 1000:10.1f}"
        )
        summary[group] = {
            "files": len(found),
            "recall": round(recall, 4),
            "precision": round(precision, 4),
            "vocabulary": round(vocabulary, 4),
            "ms": round(seconds * 1000, 1),
        }
    for recall, precision, vocabulary, name in sorted(files, key=lambda r: r[2])[: options.worst]:
        print(
            f"  least: {vocabulary:.3f} vocabulary, {recall:.3f} recall, {precision:.3f} precision  {name}"
        )
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    with (results / "office.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
