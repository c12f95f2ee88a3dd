"""Sentences, tokens and syntax from raw text, on the development parts of UD EWT and GUM.

    python bench/syntax.py [--shared ../shared] [--limit N]

A paragraph is a block, a document a text. Beside the engine stands its model alone, which reads a
paragraph at a time as it is. Tokens and sentences count by exact spans. The model's
relations are not UD's, and neither are some of its heads; so `heads` and `labelled` compare only
one version of the engine with another: a token is right if it, its head and (labelled) its relation
as far as the two schemes share the name are those of the treebank.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from salient.model import Annotations, Block, Builder, Kind, Part, Text
from salient.nlp import open_engine

SETS = {"ewt_dev": "ud/ewt/en_ewt-ud-dev.conllu.xz", "gum_dev": "ud/gum/gum-dev.conllu.xz"}

# The model's name of a relation -> UD's, where they mean the same between the same words.
SHARED = {
    "ROOT": "root", "nsubj": "nsubj", "nsubjpass": "nsubj", "dobj": "obj", "det": "det", "amod": "amod",
    "aux": "aux", "auxpass": "aux", "neg": "advmod", "advmod": "advmod", "compound": "compound",
    "poss": "nmod", "cc": "cc", "conj": "conj", "mark": "mark", "punct": "punct", "nummod": "nummod",
    "appos": "appos", "advcl": "advcl", "ccomp": "ccomp", "xcomp": "xcomp", "acl": "acl",
    "relcl": "acl", "dative": "iobj", "expl": "expl", "intj": "discourse", "prt": "compound",
}  # fmt: skip

Span = tuple[int, int]
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Found:
    """What was found in one document."""

    sentences: set[Span]
    words: dict[Span, tuple[Span, str, str]]
    """Span of the head, relation, part of speech."""

    @classmethod
    def of(cls, made: Annotations) -> Found:
        tokens, strings = made.tokens, made.strings
        spans = list(zip(tokens.start.tolist(), tokens.end.tolist(), strict=True))
        rows = zip(
            spans, tokens.head.tolist(), tokens.deprel.tolist(), tokens.upos.tolist(), strict=True
        )
        return cls(
            {(a, b) for a, b in made.sentence_spans().tolist()},
            {span: (spans[head], strings[dep], strings[upos]) for span, head, dep, upos in rows},
        )


@dataclass
class Gold:
    """One document: spans of words with the span of the head, and of sentences."""

    text: Text
    words: dict[Span, tuple[Span, str, str]] = field(default_factory=dict)
    sentences: set[Span] = field(default_factory=set)


def documents(path: Path) -> Iterator[Gold]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        paragraphs: list[list[list[list[str]]]] = []
        rows: list[list[str]] = []
        for line in [*lines, "# newdoc"]:
            if line.startswith("# newdoc"):
                if paragraphs:
                    yield document(paragraphs)
                paragraphs = []
            elif line.startswith("# newpar") or (not paragraphs and line.startswith("# sent_id")):
                if not paragraphs or paragraphs[-1]:
                    paragraphs.append([])
            elif line.strip() and line[0] != "#":
                rows.append(line.rstrip("\n").split("\t"))
            elif not line.strip() and rows:
                paragraphs[-1].append(rows)
                rows = []


def document(paragraphs: list[list[list[list[str]]]]) -> Gold:
    gold = Gold(Builder().build())
    blocks, shift = [], 0
    for sentences in paragraphs:
        written = ""
        for rows in sentences:
            written = add(gold, rows, written, shift)
        blocks.append(Block(Kind.PARAGRAPH, written.rstrip()))
        shift += len(written.rstrip()) + 2
    builder = Builder()
    builder.add(Part(blocks))
    gold.text = builder.build()
    return gold


def add(gold: Gold, rows: list[list[str]], written: str, shift: int) -> str:
    """Write a sentence's words behind what is written of its paragraph, and note where they lie."""
    spans: dict[str, Span] = {}
    inside = 0  # words of a contraction that are still to come: "1-2 don't" writes both
    for row in rows:
        number, form = row[0], row[1]
        if "." in number:
            continue
        if inside and "-" not in number:
            inside -= 1
            continue
        start = shift + len(written)
        spans[number] = (start, start + len(form))
        if "-" in number:
            first, last = map(int, number.split("-"))
            inside = last - first + 1
        written += form + ("" if "SpaceAfter=No" in row[9] else " ")
    for row in rows:
        if row[0] in spans and row[6].isdigit():
            head = spans.get(row[6], (0, 0)) if row[6] != "0" else spans[row[0]]
            gold.words[spans[row[0]]] = (head, row[7].partition(":")[0], row[3])
    gold.sentences.add((min(s for s, _ in spans.values()), max(e for _, e in spans.values())))
    return written


def f1(right: int, found: int, gold: int) -> float:
    return round(2 * right / max(found + gold, 1), 4)


def score(golds: Iterable[Gold], founds: Iterable[Found]) -> dict[str, float]:
    counts = dict.fromkeys(["sent", "sents", "gold_sents", "word", "words", "gold_words"], 0)
    counts |= dict.fromkeys(["upos", "head", "labelled"], 0)
    for gold, found in zip(golds, founds, strict=True):
        counts["sent"] += len(found.sentences & gold.sentences)
        counts["sents"] += len(found.sentences)
        counts["gold_sents"] += len(gold.sentences)
        counts["words"] += len(found.words)
        counts["gold_words"] += len(gold.words)
        for span, (head, relation, upos) in found.words.items():
            if span not in gold.words:
                continue
            right = gold.words[span]
            counts["word"] += 1
            counts["upos"] += upos == right[2]
            counts["head"] += head == right[0]
            counts["labelled"] += head == right[0] and SHARED.get(relation) == right[1]
    return {
        "sentence_f1": f1(counts["sent"], counts["sents"], counts["gold_sents"]),
        "token_f1": f1(counts["word"], counts["words"], counts["gold_words"]),
        "upos_f1": f1(counts["upos"], counts["words"], counts["gold_words"]),
        "heads_f1": f1(counts["head"], counts["words"], counts["gold_words"]),
        "labelled_f1": f1(counts["labelled"], counts["words"], counts["gold_words"]),
        "sentences": counts["sents"],
        "gold_sentences": counts["gold_sents"],
    }


def alone(gold: Gold) -> Found:
    """The model by itself, a paragraph at a time."""
    from salient.nlp.spacy_engine import DEFAULT_MODEL, _load

    found = Found(set(), {})
    for start, end in zip(
        gold.text.block_start.tolist(), gold.text.block_end.tolist(), strict=True
    ):
        doc = _load(DEFAULT_MODEL).nlp(gold.text.text[start:end])
        spans = [(start + t.idx, start + t.idx + len(t)) for t in doc]
        words = [t for t in doc if not t.is_space]
        found.words |= {spans[t.i]: (spans[t.head.i], t.dep_, t.pos_) for t in words}
        sentences = [[t for t in s if not t.is_space] for s in doc.sents]
        found.sentences |= {(spans[s[0].i][0], spans[s[-1].i][1]) for s in sentences if s}
    return found


def timed(golds: Sequence[Gold], found: Iterator[Found]) -> dict[str, float]:
    began = time.process_time()
    founds = list(found)
    seconds = time.process_time() - began
    words = sum(len(g.text.text.split()) for g in golds)
    return {**score(golds, founds), "words_per_cpu_s": round(words / seconds)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--limit", type=int, default=None, help="documents a set")
    options = parser.parse_args()
    engine = open_engine("spacy")
    line: dict[str, object] = {"bench": "syntax", "at": datetime.now(UTC).isoformat(), "engine": engine.component}  # fmt: skip
    for name, file in SETS.items():
        golds = list(documents(options.shared / "data" / file))[: options.limit]
        list(engine.annotate([golds[0].text]))  # loads the model
        rows = {
            "engine": timed(golds, map(Found.of, engine.annotate(g.text for g in golds))),
            "model": timed(golds, map(alone, golds)),
        }
        for what, row in rows.items():
            print(name, what, json.dumps(row))
            line[f"{name}/{what}"] = row
    if options.limit is None:
        with (ROOT / "bench" / "results" / "syntax.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
