"""Documents of a workspace that say the same: which are found, which are wrongly, and what that costs as they grow in number.

    python bench/copies.py [--shared ../shared] [--peers PYTHON] [--texts N]

The corpus is made here with a seed, of encyclopedia paragraphs and newsgroup posts of the folder of public data (100 words and
more). Of each text one other is made: a copy with 2, 5 or 10 per cent of its words replaced, with its sentences in another order, cut
to 70 or to 40 per cent; or the same sentences about others, its names and numbers, or half of them, replaced by others (a letter to
another customer), three places at the least, which is no copy. Recall by kind, the share of such letters that are taken for copies, and F1 of all pairs.

Names are those that the shipped engine finds. The peers have no names: they compare runs of words alone, at the threshold 0.5.
Cost is the time from sketches to groups in a SQLite file, a document, when so many are there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [p for p in (str(ROOT / "bench"),) if p not in sys.path]

from duplicates import home, originals, peers  # noqa: E402 # beside this file, once that is on the path

from salient.knowledge.copies.sketch import Sketch, sketch_of  # noqa: E402 # the same
from salient.knowledge.copies.store import Copies  # noqa: E402 # the same
from salient.knowledge.names import name_id, normalise  # noqa: E402 # the same
from salient.model import Builder, Part, Text  # noqa: E402 # the same
from salient.model.layout import Block, Kind  # noqa: E402 # the same
from salient.nlp import open_engine  # noqa: E402 # the same
from salient.storage.sql import Tables  # noqa: E402 # the same

KINDS = ("2%", "5%", "10%", "order", "cut 70%", "cut 40%", "letter", "half a letter")
NAMED = ("ORG", "PERSON", "PLACE")
PLACES = 3  # to be replaced at the least, for a letter
VERSION = "0" * 64
SIZES = (2_000, 8_000, 32_000)

Names = list[list[tuple[str, str]]]


def named(texts: list[str]) -> Names:
    """The names in each text: surfaces and types."""

    def made(text: str) -> Text:
        builder = Builder()
        builder.add(Part([Block(Kind.PARAGRAPH, text)]))
        return builder.build()

    engine = open_engine()
    given = [made(t) for t in texts]
    return [
        [(text.text[a:b], label) for a, b, label, _ in found.labelled(found.mentions) if label in NAMED]
        for text, found in zip(given, engine.annotate(given), strict=True)
    ]  # fmt: skip


def letter(
    text: str, own: list[tuple[str, str]], pool: dict[str, list[str]], rng: Any, share: float
) -> tuple[str, int]:
    """The same sentences about others, or some of them; at how many places."""
    places = 0
    for surface, label in dict.fromkeys(own):
        if rng.random() < share:
            places += text.count(surface)
            text = text.replace(surface, pool[label][rng.integers(0, len(pool[label]))])

    def other(number: re.Match[str]) -> str:
        nonlocal places
        if rng.random() >= share:
            return number[0]
        places += 1
        return "".join(str(rng.integers(1, 10)) for _ in number[0])

    return re.sub(r"\d+", other, text), places


def corpus(
    texts: list[str], names: Names, seed: int = 1
) -> tuple[list[str], dict[tuple[int, int], str]]:
    """The texts and what was made of them; each pair with its kind."""
    rng = np.random.default_rng(seed)
    words = sorted({w for t in texts[:2000] for w in t.split()})
    pool = {
        label: sorted({s for own in names for s, kind in own if kind == label}) for label in NAMED
    }
    made, pairs = list(texts), {}
    for at, text in enumerate(texts):
        kind, own = KINDS[at % len(KINDS)], text.split()
        if kind.endswith("%") and not kind.startswith("cut"):
            for place in rng.permutation(len(own))[: round(float(kind[:-1]) / 100 * len(own))]:
                own[place] = words[rng.integers(0, len(words))]
        elif kind == "order":
            parts = [p for p in text.replace("\n", " ").split(". ") if p]
            own = ". ".join(parts[i] for i in rng.permutation(len(parts))).split()
        elif kind.startswith("cut"):
            own = own[: round(float(kind[4:-1]) / 100 * len(own))]
        else:
            filled, places = letter(text, names[at], pool, rng, 1.0 if kind == "letter" else 0.5)
            if places < PLACES:
                continue  # an edit like others
            own = filled.split()
        pairs[at, len(made)] = kind
        made.append(" ".join(own))
    return made, pairs


def quality(found: set[tuple[int, int]], pairs: dict[tuple[int, int], str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for kind in KINDS:
        own = {pair for pair, k in pairs.items() if k == kind}
        row[kind] = round(len(own & found) / len(own), 4)
    true = {pair for pair, kind in pairs.items() if "letter" not in kind}
    row["false_pairs"] = len(found - pairs.keys())
    row["f1"] = round(2 * len(true & found) / (len(found) + len(true)), 4)
    return row


def ours(sketches: list[Sketch]) -> tuple[set[tuple[int, int]], dict[str, Any]]:
    """Pairs found in a workspace's tables, and microseconds a document as there are more."""
    found: set[tuple[int, int]] = set()
    cost: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, Tables.open(f"sqlite:{folder}/t.db") as tables:
        tables.migrate()
        copies = Copies(tables, "bench")
        sizes = [n for n in SIZES if n < len(sketches)] + [len(sketches)]
        for first, last in zip([0, *sizes], sizes, strict=False):
            began = time.process_time()
            with tables.transaction() as tx:
                for at in range(first, last):
                    copies.put(tx, f"{at:08}", VERSION, sketches[at])
            copies.gather()
            cost[str(last)] = round(1e6 * (time.process_time() - began) / (last - first), 1)
        _, _, groups = copies.largest(0, len(sketches))
        for _, members in groups:
            numbers = sorted(int(m) for m in members)
            found |= {(a, b) for i, a in enumerate(numbers) for b in numbers[i + 1 :]}
        size = Path(folder, "t.db").stat().st_size / len(sketches)
    return found, {"us_a_document": cost, "bytes_a_document": round(size)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path, default=ROOT / ".salient/bench")
    parser.add_argument("--peers", type=Path, help="an interpreter that has them")
    parser.add_argument("--texts", type=int, default=7000)
    options = parser.parse_args()
    python = options.peers or home(options.cache)
    given = originals(options.shared / "data", options.texts)
    texts, pairs = corpus(given, named(given))
    size = sum(len(t.encode()) for t in texts)
    print(f"{len(texts)} texts, {size / len(texts):.0f} bytes each")
    names = named(texts)
    began = time.process_time()
    sketches = [
        sketch_of(text, "", Counter(name_id("bench", k, normalise(s, person=k == "PERSON")) for s, k in own).items())
        for text, own in zip(texts, names, strict=True)
    ]  # fmt: skip
    sketching = time.process_time() - began
    found, cost = ours(sketches)
    rows = {
        "salient": {
            **quality(found, pairs),
            "us_a_sketch": round(1e6 * sketching / len(texts), 1),
            **cost,
        }
    }
    for name, row in peers(python, texts, 0.5).items():
        rows[name] = quality({(a, b) for a, b in row["pairs"]}, pairs) | {
            "us_a_document": {str(len(texts)): round(1e6 / row["texts_per_cpu_s"], 1)}
        }
    for name, row in rows.items():
        print(f"  {name:12} {json.dumps(row)}")
    line = {
        "bench": "copies",
        "at": datetime.now(UTC).isoformat(),
        "texts": len(texts),
        "rows": rows,
    }
    with (ROOT / "bench/results/copies.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
