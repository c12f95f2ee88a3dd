"""Facts of single passages against KnowledgeNet: precision, recall and F1 of the predicates that map.

    python bench/facts.py ../shared/data/re/knowledgenet/folds1-3.jsonl.xz --fold 3

A finding counts when its predicate maps to the property and both sides overlap the annotated spans (or
name the same thing in the passage). The stored data does not say for which properties a passage was
annotated, so a finding is held wrong only where the passage has a fact of that property, and `extra`
counts those elsewhere, right or wrong. Facts with a pronoun for a side are left out of recall: most
have their antecedent outside the passage, and a fact without a name is none here.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salient.knowledge import coreference
from salient.knowledge.extract import extract
from salient.knowledge.mentions import linked
from salient.knowledge.ontology import base
from salient.knowledge.reading import meant_by, references_of
from salient.knowledge.statements import Candidate
from salient.model import Annotations, Block, Builder, Kind, Part, Text

# property -> (predicates, whether sides are exchanged)
MAPPED = {
    "FOUNDED_BY": (("founded",), True),
    "CEO": (("holds_position",), True),
    "EMPLOYEE_OR_MEMBER_OF": (("holds_position", "works_for", "left", "founded"), False),
    "HEADQUARTERS": (("based_in",), False),
    "SUBSIDIARY_OF": (("subsidiary_of", "owns", "acquired"), False),
    "DATE_FOUNDED": (("founded_on",), False),
    "DATE_OF_BIRTH": (("born_on",), False),
    "PLACE_OF_BIRTH": (("born_in",), False),
    "PLACE_OF_RESIDENCE": (("lives_in",), False),
    "EDUCATED_AT": (("studied_at",), False),
    "SPOUSE": (("married_to",), False),
    "CHILD_OF": (("child_of",), False),
}
PRONOUNS = frozenset(
    "i me my we us our you your he him his himself she her hers herself it its itself they them their who whom whose which"
    " that where this".split()
)
_SWAPPED = {"owns", "acquired"}


Places = list[list[tuple[int, int]]]


def text_of(passage: str) -> Text:
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, passage)]))
    return builder.build()


def candidates(text: Text, annotations: Annotations) -> tuple[list[Candidate], Places]:
    """What is found, and for each mention all places of its name in the passage."""
    ontology = base()
    mentions, _, tree = linked(text, annotations, ontology)
    references, values = references_of(text.text, mentions, annotations)
    names = coreference.names_of(mentions)
    meant = meant_by(coreference.resolve(text.text, annotations, tree, names), references)
    found = extract(tree, text.text, references, values, ontology, meant)
    places: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for m in mentions:
        places[m.root].append((m.start, m.end))
    return found, [places[m.root] for m in mentions]


def overlaps(a: tuple[int, int], b: list[int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def said(found: list[Candidate], place: Places, name: str) -> Iterator[tuple[Any, Any]]:
    """The two sides of each finding that states the property, each as the places that may count."""
    predicates, swap = MAPPED[name]
    for c in found:
        if c.predicate not in predicates or c.qualifiers.get("modality") == "negated":
            continue
        title = c.qualifiers.get("title", "").lower()
        if name == "CEO" and not any(w in title for w in ("ceo", "chief executive")):
            continue
        left = (c.subject_at, *place[c.subject])
        right = (c.object_at, *place[c.object]) if c.object is not None else (c.object_at,)
        yield (right, left) if swap != (c.predicate in _SWAPPED) else (left, right)


def met(gold: dict[str, Any], left: Any, right: Any, *, symmetric: bool) -> bool:
    sides = [(gold["subject"], gold["object"])]
    if symmetric:
        sides.append((gold["object"], gold["subject"]))
    return any(
        any(overlaps(p, s) for p in left) and any(overlaps(p, o) for p in right) for s, o in sides
    )


def count(
    row: dict[str, Any], found: list[Candidate], place: Places, name: str, *, show: bool
) -> Counter[str]:
    """Right and wrong findings, and annotated facts met and missed, of one property in one passage."""
    counts: Counter[str] = Counter()
    text = row["text"]
    gold = [f for f in row["facts"] if f["property"] == name]
    hit: set[int] = set()
    for left, right in said(found, place, name):
        matches = {i for i, f in enumerate(gold) if met(f, left, right, symmetric=name == "SPOUSE")}
        hit |= matches
        counts["right" if matches else "wrong" if gold else "extra"] += 1
        if show and gold and not matches:
            print(
                "wrong",
                [text[a:b] for a, b in left],
                [text[a:b] for a, b in right],
                "|",
                text[:220],
            )
    for i, fact in enumerate(gold):
        pair = (text[slice(*fact["subject"])], text[slice(*fact["object"])])
        if any(side.lower() in PRONOUNS for side in pair):
            continue
        counts["met" if i in hit else "missed"] += 1
        if show and i not in hit:
            print("missed", pair, "|", text[:300])
    return counts


def score(
    rows: list[dict[str, Any]], everything: list[tuple[list[Candidate], Places]], show: str | None
) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row, (found, place) in zip(rows, everything, strict=True):
        for name in MAPPED:
            counts[name] += count(row, found, place, name, show=show == name)
    total: Counter[str] = Counter()
    for name, c in sorted(counts.items()):
        total += c
        print(json.dumps({"property": name, **measures(c)}))
    print(json.dumps({"property": "micro average", **measures(total)}))


def measures(c: Counter[str]) -> dict[str, float]:
    precision = c["right"] / max(c["right"] + c["wrong"], 1)
    recall = c["met"] / max(c["met"] + c["missed"], 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {
        "n": c["met"] + c["missed"],
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(f1, 3),
        "extra": c["extra"],
    }


def main() -> None:
    from salient.nlp import open_engine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fold", type=int, default=3)
    parser.add_argument("--engine", default="native")
    parser.add_argument("--show", help="print the mistakes of a property")
    args = parser.parse_args()
    with lzma.open(args.data, "rt", encoding="utf-8") as file:
        rows = [r for r in map(json.loads, file) if r["fold"] == args.fold]
    texts = [text_of(r["text"]) for r in rows]
    # A passage's text loses trailing white space only, so offsets hold.
    annotations = list(open_engine(args.engine).annotate(texts))
    began = time.perf_counter()
    everything = [candidates(t, a) for t, a in zip(texts, annotations, strict=True)]
    seconds = time.perf_counter() - began
    words = sum(len(a.tokens) for a in annotations)
    score(rows, everything, args.show)
    print(json.dumps({"passages": len(rows), "words_per_s": round(words / seconds)}))


if __name__ == "__main__":
    main()
