"""Kernels: the compiled twin beside its definition, on the same text.

    python bench/kernels.py [--shared ../shared]

Speed is characters of text by second, the best of several runs. A kernel under five times its
definition does not earn its keep; `keeps` says whether it does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import pkgutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from salient import kernels
from salient.kernels.hashing import hash_bytes
from salient.model import columns
from salient.nlp.gazetteer import Gazetteer

ROOT = Path(__file__).resolve().parents[1]
CHARACTERS = 200_000
WORTH = 5.0
RUNS = 5


def words_of(text: str) -> list[str]:
    return [text[a:b].casefold() for a, b, _ in kernels.token_spans(text).tolist()]


def names_of(text: str) -> dict[str, Any]:
    """The columns of a gazetteer of every fifth run of three words."""
    words = words_of(text)
    made = Gazetteer((" ".join(words[i : i + 3]), "X") for i in range(0, len(words), 5))
    return columns.load(made.dump())[1]


def vocabulary(text: str) -> tuple[Any, ...]:
    names = names_of(text)
    return tuple(names[n] for n in ("word_starts", "word_ends", "word_letters"))


def trie(text: str) -> tuple[Any, ...]:
    names = names_of(text)
    return tuple(names[n] for n in ("edge_starts", "edge_keys", "edge_nodes", "edge_phrases"))


# Arguments of each kernel, made from the text; a kernel that is not here fails the bench.
ARGUMENTS: dict[str, Callable[[str], tuple[Any, ...]]] = {
    "chunk_spans": lambda text: (text,),
    "token_spans": lambda text: (text,),
    "utf8_offsets": lambda text: (text,),
    "hashed_sums": lambda text: (
        [p.lower().encode() for p in text.split("\n") if p.strip()],
        np.array(sorted(hash_bytes(w) for w in (b"the", b"of", b"and", b"to")), np.uint64),
        256,
    ),
    "word_hashes": lambda text: (words_of(text),),
    "word_codes": lambda text: (words_of(text), *vocabulary(text)),
    "longest_phrases": lambda text: (
        kernels.word_codes(words_of(text), *vocabulary(text)),
        *trie(text),
    ),
}


def sample(shared: Path) -> str:
    with lzma.open(shared / "data/contracts/cuad/contracts.jsonl.xz", "rt", encoding="utf-8") as f:
        text = ""
        while len(text) < CHARACTERS:
            text += json.loads(next(f))["text"]
    return text[:CHARACTERS]


def best(function: Callable[..., Any], arguments: tuple[Any, ...], runs: int) -> float:
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    text = sample(options.shared)
    row: dict[str, Any] = {"bench": "kernels", "at": datetime.now(UTC).isoformat(), "characters": len(text)}  # fmt: skip
    modules = [m.name for m in pkgutil.iter_modules(kernels.__path__) if m.name[0] != "_"]
    for module in modules:
        slow = importlib.import_module(f"salient.kernels.{module}")
        fast = importlib.import_module(f"salient.kernels._{module}")
        for name in slow.__all__:
            arguments = ARGUMENTS[name](text)
            defined = best(getattr(slow, name), arguments, 1)
            compiled = best(getattr(fast, name), arguments, RUNS)
            row[name] = {
                "compiled_mb_per_s": round(len(text) / compiled / 1e6, 1),
                "definition_mb_per_s": round(len(text) / defined / 1e6, 2),
                "times_faster": round(defined / compiled, 1),
                "keeps": defined / compiled >= WORTH,
            }
    with (ROOT / "bench" / "results" / "kernels.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    for name, value in row.items():
        print(name, value)


if __name__ == "__main__":
    main()
