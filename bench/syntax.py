"""Sentences, tokens and syntax from raw text, on the development parts of UD EWT and GUM.

    python bench/syntax.py [--data ../shared/data] [--engine spacy] [--limit N]

A paragraph is a block, a document a text. Tokens and sentences count by exact spans. The model's
relations are not UD's, and neither are some of its heads; so `heads` and `labelled` compare only
one version of the engine with another: a token is right if it, its head and (labelled) its relation
as far as the two schemes share the name are those of the treebank.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from salient.model import Annotations, Block, Builder, Kind, Part, Text
from salient.nlp import Engine, open_engine

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


def score(golds: Iterable[Gold], founds: Iterable[Annotations]) -> dict[str, float]:
    counts = dict.fromkeys(["sent", "sents", "gold_sents", "word", "words", "gold_words"], 0)
    counts |= dict.fromkeys(["upos", "head", "labelled"], 0)
    for gold, found in zip(golds, founds, strict=True):
        sentences = {(a, b) for a, b in found.sentence_spans().tolist()}
        counts["sent"] += len(sentences & gold.sentences)
        counts["sents"] += len(sentences)
        counts["gold_sents"] += len(gold.sentences)
        tokens = found.tokens
        spans = list(zip(tokens.start.tolist(), tokens.end.tolist(), strict=True))
        counts["words"] += len(spans)
        counts["gold_words"] += len(gold.words)
        for row, span in enumerate(spans):
            if span not in gold.words:
                continue
            head, relation, upos = gold.words[span]
            counts["word"] += 1
            counts["upos"] += found.strings[tokens.upos[row]] == upos
            if spans[tokens.head[row]] == head:
                counts["head"] += 1
                counts["labelled"] += SHARED.get(found.strings[tokens.deprel[row]]) == relation
    return {
        "sentence_f1": f1(counts["sent"], counts["sents"], counts["gold_sents"]),
        "token_f1": f1(counts["word"], counts["words"], counts["gold_words"]),
        "upos_f1": f1(counts["upos"], counts["words"], counts["gold_words"]),
        "heads_f1": f1(counts["head"], counts["words"], counts["gold_words"]),
        "labelled_f1": f1(counts["labelled"], counts["words"], counts["gold_words"]),
        "sentences": counts["sents"],
        "gold_sentences": counts["gold_sents"],
    }


def measure(engine: Engine, data: Path, limit: int | None) -> Iterator[dict[str, object]]:
    for name, file in SETS.items():
        golds = list(documents(data / file))[:limit]
        list(engine.annotate([golds[0].text]))  # loads the model
        began = time.process_time()
        founds = list(engine.annotate(g.text for g in golds))
        seconds = time.process_time() - began
        n_words = sum(len(g.text.text.split()) for g in golds)
        yield {
            "bench": "syntax", "set": name, "engine": engine.component, "documents": len(golds),
            "words_per_cpu_s": round(n_words / seconds), **score(golds, founds),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--engine", default="spacy")
    parser.add_argument("--limit", type=int, default=None, help="documents a set")
    options = parser.parse_args()
    for row in measure(open_engine(options.engine), options.data, options.limit):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
