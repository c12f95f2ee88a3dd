"""Entity mentions: span F1 on public sets, for spaCy's model alone and for the engine `spacy` as a whole.

    python bench/ner.py [--shared ../shared] [--limit N] [--errors SET] [--sets SET...]

Development sets, scored on exact spans and types PER, ORG, LOC (GPE, FAC and LOC are one). A gold
sentence is a block, a gold document a text. FIN5 calls roles such as "Lender" persons; they are
left out of gold and of what is found there, whatever their type. re3d counts articles and titles as
parts of names ("the United Nations", "Minister Ellwood"), which the engine cuts off on purpose, so
there the model alone scores higher. The default engine was trained on these sets, all but UNER's: `language.py`
measures that one, on what it has not seen.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from salient.model import Block, Builder, Kind, Part, Text
from salient.nlp import open_engine

ROOT = Path(__file__).resolve().parents[1]
TYPES = {
    "PER": "PER", "PERSON": "PER", "Person": "PER", "ORG": "ORG", "Organisation": "ORG",
    "LOC": "LOC", "GPE": "LOC", "FAC": "LOC", "Location": "LOC",
}  # fmt: skip
ROLES = {
    "lender", "borrower", "bank", "agent", "company", "party", "parties", "guarantor", "trustee", "holder",
    "purchaser", "seller", "executive", "employee", "lenders", "borrowers", "banks", "administrative agent",
    "subsidiary", "holders", "guarantors", "issuer", "investor", "investors", "grantor", "debtor",
}  # fmt: skip
NO_SPACE_BEFORE = {
    ",", ".", ";", ":", "?", "!", "%", ")", "'s", "'", "''", "n't", "]", '"),', '")', "'re", "'ve", "'ll",
}  # fmt: skip
NO_SPACE_AFTER = {"(", "$", "``", "[", '("'}


@dataclass
class Gold:
    text: Text
    spans: set[tuple[int, int, str]] = field(default_factory=set)


def spans_of(tags: list[str]) -> Iterator[tuple[int, int, str]]:
    """Spans from IOB1 or IOB2 tags: (first, last + 1, type)."""
    start, label = -1, ""
    for at, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if start >= 0 and (prefix in ("O", "B") or kind != label):
            yield start, at, label
            start = -1
        if prefix in ("B", "I") and start < 0:
            start, label = at, kind


def document(sentences: list[tuple[list[str], list[str]]], *, roles: bool) -> Gold:
    builder, spans, shift = Builder(), set(), 0
    blocks = []
    for words, tags in sentences:
        line, starts = "", []
        for at, word in enumerate(words):
            if at and word not in NO_SPACE_BEFORE and words[at - 1] not in NO_SPACE_AFTER:
                line += " "
            starts.append(len(line))
            line += word
        for a, b, label in spans_of(tags):
            kind = TYPES.get(label)
            if kind and not (roles and " ".join(words[a:b]).lower() in ROLES):
                spans.add((shift + starts[a], shift + starts[b - 1] + len(words[b - 1]), kind))
        blocks.append(Block(Kind.PARAGRAPH, line))
        shift += len(line) + 2
    builder.add(Part(blocks))
    return Gold(builder.build(), spans)


def read(path: Path, *, tag_column: int, word_column: int, roles: bool = False) -> list[Gold]:
    raw = path.read_bytes()
    written = (lzma.decompress(raw) if path.suffix == ".xz" else raw).decode()
    documents: list[list[tuple[list[str], list[str]]]] = [[]]
    words: list[str] = []
    tags: list[str] = []
    for line in [*written.split("\n"), ""]:
        parts = line.rstrip("\n").split("\t") if "\t" in line else line.split()
        new_document = line.startswith(("# newdoc", "-DOCSTART-"))
        if new_document or not parts or not line.strip():
            if words:
                documents[-1].append((words, tags))
                words, tags = [], []
            if new_document and documents[-1]:
                documents.append([])
        elif not line.startswith("# "):
            words.append(parts[word_column])
            tags.append(parts[tag_column])
    return [document(d, roles=roles) for d in documents if d]


SETS = {
    "uner_ewt_dev": ("ner/uner_ewt/en_ewt-ud-dev.iob2.xz", {"tag_column": 2, "word_column": 1}),
    "wikigold": ("ner/wikigold/wikigold.conll.xz", {"tag_column": -1, "word_column": 0}),
    "sec_loans_fin5": (
        "ner/sec_loans/FIN5.conll.xz",
        {"tag_column": -1, "word_column": 0, "roles": True},
    ),
    "re3d": ("ner/re3d/re3d-train.conll", {"tag_column": -1, "word_column": 0}),
    "uner_ewt_train": ("ner/uner_ewt/en_ewt-ud-train.iob2.xz", {"tag_column": 2, "word_column": 1}),
}


def f1(right: int, found: int, gold: int) -> dict[str, float]:
    p, r = right / max(found, 1), right / max(gold, 1)
    return {"p": round(p, 4), "r": round(r, 4), "f1": round(2 * p * r / max(p + r, 1e-9), 4)}


def score(golds: list[Gold], founds: list[set[tuple[int, int, str]]]) -> dict[str, object]:
    counts: Counter[tuple[str, str]] = Counter()
    for gold, found in zip(golds, founds, strict=True):
        for _, _, kind in found & gold.spans:
            counts[kind, "right"] += 1
        for _, _, kind in found:
            counts[kind, "found"] += 1
        for _, _, kind in gold.spans:
            counts[kind, "gold"] += 1
        loose = {s[:2] for s in gold.spans}
        counts["", "right"] += sum(s[:2] in loose for s in found)
    kinds = ("PER", "ORG", "LOC")
    total = [sum(counts[k, what] for k in kinds) for what in ("right", "found", "gold")]
    return {
        **f1(*total),
        "untyped_f1": f1(counts["", "right"], total[1], total[2])["f1"],
        **{k: f1(*(counts[k, w] for w in ("right", "found", "gold"))) for k in kinds},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--limit", type=int, default=None, help="documents a set")
    parser.add_argument("--errors", help="print what is wrong on this set")
    usual = [s for s in SETS if s != "uner_ewt_train"]
    parser.add_argument("--sets", nargs="*", default=usual)
    options = parser.parse_args()
    engine = open_engine("spacy")
    line: dict[str, object] = {"bench": "ner", "at": datetime.now(UTC).isoformat()}
    for name in options.sets:
        path, how = SETS[name]
        golds = read(options.shared / "data" / path, **how)[: options.limit]
        rows = {"model": raw(golds, roles=bool(how.get("roles"))), "engine": []}
        cpu = time.process_time()
        for gold, made in zip(golds, engine.annotate(g.text for g in golds), strict=True):
            found = made.labelled(made.mentions)
            rows["engine"].append(
                kept(
                    gold, ((a, b, label) for a, b, label, _ in found), roles=bool(how.get("roles"))
                )
            )
        cpu = time.process_time() - cpu
        words = sum(len(g.text.text.split()) for g in golds)
        for what, founds in rows.items():
            row = {"documents": len(golds), **score(golds, founds)}
            if what == "engine":
                row["words_per_cpu_s"] = round(words / cpu)
            print(name, what, json.dumps(row))
            line[f"{name}/{what}"] = row
        if options.errors == name:
            show(golds, rows["engine"], rows["model"])
    if options.limit is None and options.sets == usual:
        with (ROOT / "bench" / "results" / "ner.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def kept(gold: Gold, found, *, roles: bool) -> set[tuple[int, int, str]]:
    text = gold.text.text
    return {
        (a, b, TYPES[label]) for a, b, label in found
        if label in TYPES and not (roles and text[a:b].lower().removeprefix("the ") in ROLES)
    }  # fmt: skip


def raw(golds: list[Gold], *, roles: bool) -> list[set[tuple[int, int, str]]]:
    """What the model says of each sentence by itself, untouched: the line to beat."""
    from salient.nlp.spacy_engine import DEFAULT_MODEL, _load

    nlp = _load(DEFAULT_MODEL).nlp
    founds = []
    for gold in golds:
        text = gold.text
        spans = list(zip(text.block_start.tolist(), text.block_end.tolist(), strict=True))
        found = []
        with nlp.select_pipes(enable=["ner"]):
            for (start, _), doc in zip(
                spans, nlp.pipe(text.text[a:b] for a, b in spans), strict=True
            ):
                found += [(start + e.start_char, start + e.end_char, e.label_) for e in doc.ents]
        founds.append(kept(gold, found, roles=roles))
    return founds


def show(golds, engine, model) -> None:
    tally: Counter[str] = Counter()
    for gold, found, before in zip(golds, engine, model, strict=True):
        text = gold.text.text
        for a, b, k in sorted(found - gold.spans):
            near = [s for s in gold.spans if s[0] < b and a < s[1]]
            why = f"gold {near[0][2]} {text[near[0][0] : near[0][1]]!r}" if near else "none"
            mark = "new" if (a, b, k) not in before else "   "
            tally[f"- {mark} {k} {text[a:b]!r} {why}"] += 1
        for a, b, k in sorted(gold.spans - found):
            if not any(s[0] < b and a < s[1] for s in found):
                mark = "LOST" if (a, b, k) in before else ""
                tally[f"+ {mark} {k} {text[a:b]!r} | {text[max(a - 25, 0) : b + 25]!r}"] += 1
    for line, n in tally.most_common():
        print(n, line)


if __name__ == "__main__":
    main()
