"""Patterns over tokens and trees: tokens a second, beside spaCy's matchers on the same documents.

    python bench/grammar.py [--shared ../shared] [--words 25000] [--tokens 5000000]

Articles of the web are annotated once and searched over and over until so many tokens are seen; every
pass of `first` begins with the documents' columns and strings and keeps nothing of the pass before;
`again` searches blocks that are in memory from another pattern, as the service keeps them. The peer's
documents are made of the same columns, and searched once. `equal` counts matches that both have,
token by token. `growth` is the time a token of one document ten times as long, over that of one.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from salient.knowledge.grammar_search import Block, Matcher, Source, parse
from salient.model import Annotations, Builder, Kind, Part, Text
from salient.model import Block as Paragraph
from salient.nlp import open_engine

ROOT = Path(__file__).resolve().parents[1]
BLOCK = 50_000  # tokens searched together, as the service does

Row = dict[str, Any]


def node(name: str, **attributes: Any) -> Row:
    return {"RIGHT_ID": name, "RIGHT_ATTRS": attributes}


def below(head: str, name: str, **attributes: Any) -> Row:
    return {"LEFT_ID": head, "REL_OP": ">", **node(name, **attributes)}


def noun(ending: str) -> Row:
    return {"LEMMA": {"REGEX": rf"(?i)^.*{ending}$"}, "POS": "NOUN"}


VERBS = ["acquire", "buy", "sell", "announce"]
# Pattern, the peer's way to say it, and in which order the peer's tokens stand in ours.
PATTERNS: dict[str, tuple[list[Row], tuple[int, ...]]] = {
    "PERSON <nsubj- say": (
        [node("v", LEMMA="say"), below("v", "s", DEP="nsubj", ENT_TYPE="PERSON")],
        (1, 0),
    ),
    "ORG <nsubj- [upos=VERB] -obj-> *": (
        [
            node("v", POS="VERB"),
            below("v", "s", DEP="nsubj", ENT_TYPE="ORG"),
            below("v", "o", DEP="obj"),
        ],
        (1, 0, 2),
    ),
    "(acquire|buy|sell|announce) -obj-> *": (
        [node("v", LEMMA={"IN": VERBS}), below("v", "o", DEP="obj")],
        (0, 1),
    ),
    "[upos=VERB] -obj-> [upos=NOUN] -amod-> *": (
        [
            node("v", POS="VERB"),
            below("v", "o", DEP="obj", POS="NOUN"),
            below("o", "a", DEP="amod"),
        ],
        (0, 1, 2),
    ),
    "[lemma=/.*tion/ & upos=NOUN] <obj- [upos=VERB]": (
        [node("v", POS="VERB"), below("v", "o", DEP="obj", **noun("tion"))],
        (1, 0),
    ),
    '[upos=ADJ] [upos=NOUN] "of"': (
        [{"POS": "ADJ"}, {"POS": "NOUN"}, {"LOWER": "of"}],
        (),
    ),
}


def articles(path: Path, words: int) -> Iterator[Text]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if words <= 0:
                return
            body = json.loads(line)["articleBody"]
            words -= len(body.split())
            builder = Builder()
            builder.add(Part([Paragraph(Kind.PARAGRAPH, p) for p in body.split("\n") if p.strip()]))
            yield builder.build()


def blocks(
    documents: Sequence[tuple[Text, Annotations]], tokens: int
) -> Iterator[list[tuple[int, Source]]]:
    """Documents again and again, as the service puts them together, until `tokens` are seen."""
    gathered: list[tuple[int, Source]] = []
    size = seen = 0
    while seen < tokens:
        for number, (text, made) in enumerate(documents):
            gathered.append((number, Source(made, lambda text=text: text.text)))
            size += len(made.tokens)
            if size >= BLOCK:
                yield gathered
                seen += size
                gathered, size = [], 0
                if seen >= tokens:
                    return


def ours(
    pattern: str, documents: Sequence[tuple[Text, Annotations]], tokens: int
) -> tuple[float, set[tuple[int, ...]]]:
    """Tokens a CPU-second of documents not seen before, and the matches as (document, tokens)."""
    matcher = Matcher(parse(pattern))
    found: set[tuple[int, ...]] = set()
    seen, once = 0, sum(len(a.tokens) for _, a in documents)
    began = time.process_time()
    for gathered in blocks(documents, tokens):
        block = Block([source for _, source in gathered])
        matches = matcher.find(block)
        if seen < once:  # later passes find the same
            local = matches.rows - block.first_row[matches.document][:, None]
            for document, rows in zip(matches.document.tolist(), local.tolist(), strict=True):
                found.add((gathered[document][0], *rows))
        seen += block.n
    return seen / (time.process_time() - began), found


def kept(pattern: str, prepared: Sequence[Block], tokens: int) -> float:
    """Tokens a CPU-second of blocks that another pattern was searched in before."""
    matcher = Matcher(parse(pattern))
    seen = 0
    began = time.process_time()
    while seen < tokens:
        for block in prepared:
            matcher.find(block)
            seen += block.n
    return seen / (time.process_time() - began)


def peer_documents(documents: Sequence[tuple[Text, Annotations]]) -> tuple[Any, list[Any]]:
    import spacy
    from spacy.tokens import Doc, Span

    nlp = spacy.blank("en")
    made = []
    for text, a in documents:
        t, strings = a.tokens, a.strings

        def said(codes: Any, strings: Sequence[str] = strings) -> list[str]:
            return [strings[c] for c in codes.tolist()]

        doc = Doc(
            nlp.vocab,
            words=[text.text[s:e] for s, e in zip(t.start.tolist(), t.end.tolist(), strict=True)],
            lemmas=said(t.lemma),
            pos=said(t.upos),
            tags=said(t.xpos),
            deps=[d or "dep" for d in said(t.deprel)],
            heads=t.head.tolist(),
            sent_starts=t.sent_start.tolist(),
        )
        spans = []
        for start, end, label, _ in a.labelled(a.mentions):
            first = int(np.searchsorted(t.end, start, side="right"))
            last = int(np.searchsorted(t.start, end, side="left"))
            if first < last and (not spans or spans[-1].end <= first):
                spans.append(Span(doc, first, last, label))
        doc.ents = spans
        made.append(doc)
    return nlp, made


def peer(pattern: str, nlp: Any, documents: Sequence[Any]) -> tuple[float, set[tuple[int, ...]]]:
    from spacy.matcher import DependencyMatcher, Matcher

    rows, order = PATTERNS[pattern]
    is_tree = bool(order)
    matcher = (DependencyMatcher if is_tree else Matcher)(nlp.vocab)
    matcher.add("pattern", [rows])
    found: set[tuple[int, ...]] = set()
    began = time.process_time()
    for number, doc in enumerate(documents):
        for match in matcher(doc):
            tokens = [match[1][i] for i in order] if is_tree else range(match[1], match[2])
            found.add((number, *tokens))
    seconds = time.process_time() - began
    return sum(map(len, documents)) / seconds, found


def growth(pattern: str, documents: Sequence[tuple[Text, Annotations]]) -> float:
    """Time a token of ten times as much in one block, over that of as it is."""
    matcher = Matcher(parse(pattern))

    def cost(times: int) -> float:
        best = float("inf")
        for _ in range(5):
            began = time.process_time()
            sources = [Source(a, lambda t=t: t.text) for t, a in documents] * times
            block = Block(sources)
            matcher.find(block)
            best = min(best, (time.process_time() - began) / block.n)
        return best

    return cost(10) / cost(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--words", type=int, default=25_000)
    parser.add_argument("--tokens", type=int, default=5_000_000)
    parser.add_argument("--dry", action="store_true", help="write no result")
    options = parser.parse_args()
    engine = open_engine()
    path = options.shared / "data" / "docs" / "article-extraction" / "ground-truth.jsonl.xz"
    texts = list(articles(path, options.words))
    made = zip(texts, engine.annotate(texts), strict=True)
    documents = [(t, a) for t, a in made if a.language == "en"]
    n = sum(len(a.tokens) for _, a in documents)
    line: dict[str, object] = {
        "bench": "grammar", "at": datetime.now(UTC).isoformat(), "engine": engine.component,
        "documents": len(documents), "tokens": n,
    }  # fmt: skip
    nlp, docs = peer_documents(documents)
    print(f"{len(documents)} documents, {n:,} tokens; {options.tokens:,} searched a pattern")
    prepared = [Block([s for _, s in g]) for g in blocks(documents, options.tokens)]
    for block in prepared:
        Matcher(parse("ORG -nmod-> *")).find(block)
    for pattern in PATTERNS:
        speed, found = ours(pattern, documents, options.tokens)
        again = kept(pattern, prepared, options.tokens)
        theirs, expected = peer(pattern, nlp, docs)
        row = {
            "first_tokens_per_cpu_s": round(speed),
            "again_tokens_per_cpu_s": round(again),
            "peer_tokens_per_cpu_s": round(theirs),
            "times": round(again / theirs, 1),
            "matches": len(found),
            "peer_matches": len(expected),
            "equal": len(found & expected),
            "growth": round(growth(pattern, documents), 2),
        }
        print(pattern, json.dumps(row))
        line[pattern] = row
    if not options.dry:
        with (ROOT / "bench" / "results" / "grammar.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
