"""Coreference on GUM's development documents: CoNLL score, and who pronouns mean.

    python bench/coreference.py [--shared ../shared]

Gold mentions and trees; the types of names are gold too, as a recogniser would give them. Chains of one
mention count on neither side. Beside it in the same run: each mention joined to the last one with its
head, each pronoun to the nearest mention that agrees with it in number, gender and sort.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from coreference_data import Passage, clusters_of, conll, read
from train_coreference import with_idle_pronouns

from salient.knowledge import coreference
from salient.knowledge.coreference import Coreference, Kind, Link, Shape
from salient.knowledge.coreference.chains import Chains
from salient.knowledge.coreference.ranker import shipped
from salient.knowledge.coreference.referring import Sort
from salient.knowledge.coreference.sieves import Sieves

ROOT = Path(__file__).resolve().parents[1]
EVEN = 0.5  # for the CoNLL score precision and recall count alike
THIRD = (Shape.HE, Shape.SHE, Shape.IT, Shape.THEY)

Resolver = Callable[[Passage], Coreference]


def ours(thresholds: Mapping[Shape, float]) -> Resolver:
    """The sieves and the ranker."""

    def resolver(passage: Passage) -> Coreference:
        found = passage.found
        return coreference.link(passage.tree, found, passage.names, shipped(), thresholds)

    return resolver


def simple(passage: Passage) -> Coreference:
    """The baseline: last mention with the head; for pronouns the nearest that agrees."""
    found, last = passage.found, {}
    chains = Chains(found)
    sieves = Sieves(passage.tree, found, passage.names, chains)
    sieves.bearers()
    links = sieves.links
    for row in range(len(found)):
        pronoun = found.shape[row] >= Shape.HE
        if not pronoun:
            before = last.get(found.head_code[row])
            last[found.head_code[row]] = row
        else:
            before = next((c for c in range(row - 1, max(row - 41, -1), -1) if _agree(passage, row, c)), None)  # fmt: skip
        if before is not None and chains.of(row) == row and chains.agree(before, row):
            links.append(Link(row, before, Kind.PRONOUN if pronoun else Kind.NOMINAL, 1.0))
            chains.join(before, row)
    links.sort(key=lambda one: one.mention)
    return Coreference(found, tuple(links), tuple(chains.of(r) for r in range(len(found))))


def _agree(passage: Passage, pronoun: int, other: int) -> bool:
    f = passage.found
    if f.shape[other] >= Shape.HE:
        return bool(f.shape[other] == f.shape[pronoun])
    person = f.shape[pronoun] in {Shape.HE, Shape.SHE, Shape.WHO}
    kind = person if f.sort[other] == Sort.PERSON else not person
    return (
        _compatible(f.number[pronoun], f.number[other])
        and _compatible(f.gender[pronoun], f.gender[other])
        and (kind or f.shape[pronoun] == Shape.THEY)
    )


def _compatible(left: int, right: int) -> bool:
    return bool(left == 0 or right == 0 or left == right)


def pronouns(results: Sequence[tuple[Passage, Coreference]]) -> dict[str, float]:
    """Of he, she, it and they: how many that point back are linked into their chain, of those linked."""
    right = linked = pointing = 0
    for passage, made in results:
        seen: set[str] = set()
        antecedent = {one.mention: one.antecedent for one in made.links}
        for row, chain in enumerate(passage.gold):
            if passage.found.shape[row] in THIRD:
                pointing += chain in seen
                linked += row in antecedent
                right += row in antecedent and passage.gold[antecedent[row]] == chain
            seen.add(chain)
    return {
        "n": pointing,
        "precision": round(100 * right / max(linked, 1), 1),
        "recall": round(100 * right / max(pointing, 1), 1),
    }


def measure(documents: Sequence[Passage], resolver: Resolver) -> dict[str, object]:
    """Scores of one resolver, and its speed behind the parser."""
    began = time.process_time()
    made = [resolver(d) for d in documents]
    seconds = time.process_time() - began
    pairs = [
        (clusters_of(d.gold), clusters_of(m.chain)) for d, m in zip(documents, made, strict=True)
    ]
    idle = [with_idle_pronouns(d) for d in documents]
    words = sum(len(d.annotations.tokens) for d in documents)
    return conll(pairs) | {
        "pronouns": pronouns([(d, resolver(d)) for d in idle]),
        "words_per_cpu_s_after_parsing": round(words / seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--limit", type=int, default=None, help="documents")
    options = parser.parse_args()
    path = options.shared / "data" / "ud" / "gum" / "gum-dev.conllu.xz"
    documents = list(read(path))[: options.limit]
    line: dict[str, object] = {"bench": "coreference", "at": datetime.now(UTC).isoformat()}
    resolvers = {
        "ranker": ours(dict.fromkeys(Shape, EVEN)),
        "ranker_as_shipped": ours(coreference.THRESHOLDS),
        "head_match_and_nearest": simple,
    }
    for name, resolver in resolvers.items():
        row = measure(documents, resolver)
        print(name, json.dumps(row))
        line[name] = row
    if options.limit is None:
        with (ROOT / "bench" / "results" / "coreference.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
