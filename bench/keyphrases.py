"""Keyphrases: F at 10 on Inspec abstracts, SemEval-2017 paragraphs, and documents of GUM.

    python bench/keyphrases.py [--shared ../shared] [--limit N]

A phrase is right if it equals one of the indexers' phrases in lower case, plural endings taken off.
GUM's are the phrases of entities that at least one of five summaries speaks of.
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from salient.model import Block, Builder, Kind, Part, Text
from salient.nlp import Engine, keyphrases, open_engine
from salient.nlp.units import units

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Example:
    """A text with its phrases in `plain` form."""

    text: Text
    gold: set[str]


def plain(phrase: str) -> str:
    words = phrase.lower().replace("-", " ").split()
    return " ".join(singular(w) for w in words)


def singular(word: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ss", "ss"), ("us", "us"), ("s", "")):
        if len(word) > 3 and word.endswith(ending):
            return word[: len(word) - len(ending)] + instead
    return word


def text_of(blocks: Iterable[tuple[Kind, str]]) -> Text:
    builder = Builder()
    builder.add(Part([Block(kind, text) for kind, text in blocks]))
    return builder.build()


def abstracts(path: Path, limit: int | None) -> Iterator[Example]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if limit is not None and number >= limit:
                break
            row = json.loads(line)
            text = text_of([(Kind.PARAGRAPH, " ".join(row["text"].split()))])
            yield Example(text, {plain(k) for k in row["keys"]})


def present(text: str, gold: Iterable[str]) -> set[str]:
    """The indexers' phrases that the text holds: on Inspec three in five."""
    body = f" {plain(''.join(c if c.isalnum() or c in '-/' else ' ' for c in text))} "
    return {key for key in gold if f" {key} " in body}


def gum(path: Path, limit: int | None) -> Iterator[Example]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        blocks: list[tuple[Kind, list[str]]] = []
        gold: set[str] = set()
        opened: dict[str, Entity] = {}
        found = 0
        for line in [*lines, "# newdoc"]:
            if line.startswith("# newdoc"):
                if blocks and (limit is None or found < limit):
                    yield Example(text_of((k, " ".join(t)) for k, t in blocks), gold)
                    found += 1
                blocks, gold = [], set()
            elif line.startswith("# newpar_block"):
                head = line.split("=", 1)[1].split()[0] == "head"
                blocks.append((Kind.HEADING if head else Kind.PARAGRAPH, []))
            elif line.startswith("# text = "):
                blocks = blocks or [(Kind.PARAGRAPH, [])]
                blocks[-1][1].append(line.removeprefix("# text = ").strip())
            elif line.partition("\t")[0].isdigit():
                gold |= salient(line.rstrip("\n").split("\t"), opened)


@dataclass
class Entity:
    """An entity of GUM that is being read."""

    head: int  # words up to and with the head
    worth: bool  # whether a summary speaks of it
    words: list[list[str]] = field(default_factory=list)

    def phrase(self) -> str:
        """The words up to the head, less what is no part of a term."""
        left_out = ("DET", "PRON", "NUM", "PUNCT", "PART", "ADP")
        core = [w for w in self.words[: self.head] if w[3] not in left_out]
        noun = core and core[-1][3] in ("NOUN", "PROPN")
        return plain(" ".join(w[1] for w in core)) if noun and self.worth else ""


def salient(row: list[str], opened: dict[str, Entity]) -> set[str]:
    """Follow the entities that begin, go on and end at a token; return the phrases that end."""
    marks = [m.removeprefix("Entity=") for m in row[9].split("|") if m.startswith("Entity=")]
    ended = []
    for mark in re.findall(r"\([^()]+\)?|[^()]+\)", "".join(marks)):
        number, *fields = mark.strip("()").split("-")
        if mark[0] == "(":
            # Type, status, salience by summary, centre, place of the head.
            opened[number] = Entity(int(fields[4].split(",")[0]), "s" in fields[2])
        if mark[-1] == ")":
            ended.append(number)
    for entity in opened.values():
        entity.words.append(row)
    return {opened.pop(number).phrase() for number in ended if number in opened} - {""}


def f_at(ranked: Sequence[Sequence[str]], golds: Sequence[set[str]], k: int) -> dict[str, float]:
    """Micro precision and recall, F of them, and the mean of the documents' F."""
    right = found = total = 0
    means = []
    for phrases, gold in zip(ranked, golds, strict=True):
        top = list(dict.fromkeys(phrases))[:k]
        hits = len(set(top) & gold)
        right, found, total = right + hits, found + len(top), total + len(gold)
        means.append(2 * hits / max(len(top) + len(gold), 1))
    p, r = right / max(found, 1), right / max(total, 1)
    return {
        "p": round(p, 4),
        "r": round(r, 4),
        "f": round(2 * p * r / max(p + r, 1e-9), 4),
        "mean_f": round(float(np.mean(means)), 4),
    }


def measure(
    engine: Engine, data: Path, limit: int | None
) -> Iterator[tuple[str, dict[str, object]]]:
    sets = {
        "inspec": abstracts(data / "keyphrase" / "inspec_1500.jsonl.xz", limit),
        "semeval2017": abstracts(data / "keyphrase" / "semeval2017.jsonl.xz", limit),
        "gum_dev": gum(data / "ud" / "gum" / "gum-dev.conllu.xz", limit),
    }
    for name, drawn in sets.items():
        examples = list(drawn)
        ranked, by_place, seconds = [], [], 0.0
        for example, made in zip(examples, engine.annotate(e.text for e in examples), strict=True):
            text, cut = example.text.text, list(units(example.text))
            began = time.process_time()
            starts, ends, worth = keyphrases.candidates(text, made.tokens, made.strings, cut)
            seconds += time.process_time() - began
            spans = zip(starts.tolist(), ends.tolist(), strict=True)
            surfaces = [plain(text[a:b]) for a, b in spans]
            by_place.append([surfaces[i] for i in np.argsort(starts, kind="stable").tolist()])
            ranked.append([surfaces[i] for i in np.argsort(-worth, kind="stable").tolist()])
        golds = [e.gold for e in examples]
        here = [present(e.text.text, e.gold) for e in examples]
        ceiling = sum(len(set(s) & g) for s, g in zip(by_place, golds, strict=True))
        yield name, {
            "documents": len(examples),
            "recall_of_candidates": round(ceiling / sum(map(len, golds)), 4),
            "at_10": f_at(ranked, golds, 10), "at_5": f_at(ranked, golds, 5),
            "at_10_of_those_in_the_text": f_at(ranked, here, 10),
            "first_phrases_at_10": f_at(by_place, golds, 10),
            "documents_per_cpu_s_after_parsing": round(len(examples) / seconds),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--limit", type=int, default=None, help="documents a set")
    options = parser.parse_args()
    line: dict[str, object] = {"bench": "keyphrases", "at": datetime.now(UTC).isoformat()}
    for name, row in measure(open_engine(), options.shared / "data", options.limit):
        print(name, json.dumps(row))
        line[name] = row
    if options.limit is None:
        with (ROOT / "bench" / "results" / "keyphrases.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
