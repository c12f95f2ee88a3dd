"""Kernels: the compiled twin beside its definition, on the same text; the network's on random weights.

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
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient import kernels
from salient.kernels.candidates import TELLING
from salient.kernels.decode import BUCKETS
from salient.kernels.embedding import LEARN_OUTPUTS, LEARN_WORDS, WORDS
from salient.kernels.hashing import hash_bytes
from salient.learning.embeddings import VocabularyCounter
from salient.model import columns
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.native import features, model
from salient.nlp.native.model import Description
from salient.nlp.native.tokenizer import read_exceptions

ROOT = Path(__file__).resolve().parents[1]
CHARACTERS = 200_000
WORTH = 5.0
RUNS = 5
ARC_WIDTH = 64


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


def cut(text: str) -> NDArray[np.int32]:
    """Paragraphs as stretches of the text."""
    ends = np.array([at for at, c in enumerate(text) if c == "\n"] + [len(text)], np.int32)
    return np.stack([np.concatenate([[0], ends[:-1] + 1]).astype(np.int32), ends], axis=1)


def exceptions() -> tuple[Any, ...]:
    e = read_exceptions()
    return e.slots, e.starts, e.letters, e.values


def phrases(text: str) -> tuple[Any, ...]:
    """Tokens with parts of speech as often as texts have them."""
    spans = kernels.token_spans(text)
    words, firsts = kernels.span_types(text, spans[:, 0], spans[:, 1])
    letters = np.frombuffer(b"xxNNPADGHxxx", np.uint8)[words % 12]
    traits = np.full(len(firsts), TELLING, np.uint8)
    return letters, words, words, traits, np.array([[0, len(words), 0]], np.int32)


def draw(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal(shape, np.float32)


def n_words(text: str) -> int:
    return len(kernels.token_spans(text))


def sentences(text: str, length: int = 25) -> NDArray[np.int32]:
    n = n_words(text)
    return np.append(np.arange(0, n, length), n).astype(np.int32)


def network() -> Mapping[str, NDArray[Any]]:
    """Weights of the shipped model's shape."""
    about = Description(
        name="random", language="en", licence="none", upos=("X",) * 17, xpos=("X",) * 50, feats=("_",) * 90,
        relations=("root", *("dep",) * 46), rules=((0, None),) * 400, n_choices=400,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        weights = {name: 0.1 * draw(*shape) for name, shape in model.shapes(about, 0).items()}
        model.save(Path(folder), about, weights, words={}, lexicon={})
        return model.load(Path(folder)).arrays


def reading(text: str) -> tuple[Any, ...]:
    spans = kernels.token_spans(text)
    slots, firsts = kernels.span_types(text, spans[:, 0], spans[:, 1])
    rows = kernels.type_rows([text[a:b] for a, b, _ in spans[firsts].tolist()], features.SIZES)
    return rows, slots


def encode(module: ModuleType, weights: Mapping[str, NDArray[Any]]) -> Callable[..., Any]:
    made = module.Encoder(weights)

    def run(rows: NDArray[np.int32], slots: NDArray[np.int32]) -> Any:
        table = made.types(rows, np.zeros(len(rows), np.int32))
        return made.read(table, slots, np.zeros(len(slots), np.uint16))

    return run


# Those whose definitions are so slow that a page of text must do.
def skip_gram(text: str) -> tuple[Any, ...]:
    """One pass of skip-gram over the text's words, 100 dimensions filled up to 104."""
    counter = VocabularyCounter()
    counter.add([words_of(text)])
    vocabulary = counter.vocabulary(1)
    tables = [draw(len(vocabulary), 104) * np.float32(0.01) for _ in range(2)]
    none = np.zeros(0, np.int64), np.zeros(0, np.int32)
    learned = WORDS | LEARN_WORDS | LEARN_OUTPUTS
    return (
        vocabulary.numbers([words_of(text)]), *tables, np.zeros((0, 104), np.float32), vocabulary.keep(1e-3),
        vocabulary.draws(), *none, 5, 5, learned, 0.025, 0.025, 1,
    )  # fmt: skip


SLOW = frozenset({"Encoder", "trees", "spanning_tree", "entity_spans", "train_embeddings"})
PAGE = 5_000  # characters

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
    "word_spans": lambda text: (text, *exceptions()),
    "unit_words": lambda text: (text, cut(text), *exceptions()),
    "type_rows": lambda text: (sorted({*text.split()}), features.SIZES),
    "name_spans": lambda text: (text, cut(text)),
    "case_counts": lambda text: (text, cut(text)),
    "letter_words": lambda text: (text, cut(text)),
    "lone_words": lambda text: (text, cut(text)),
    "span_types": lambda text: (text, *kernels.token_spans(text)[:, :2].T),
    "first_uses": lambda text: (kernels.token_spans(text)[:, 1].astype(np.int64) % 4096,),
    "noun_phrases": phrases,
    "phrase_worth": lambda text: (kernels.noun_phrases(*phrases(text)), *phrases(text)[1:4], n_words(text)),
    "Encoder": reading,
    "trees": lambda text: (
        draw(n_words(text), ARC_WIDTH), draw(n_words(text), ARC_WIDTH), draw(ARC_WIDTH), draw(BUCKETS), sentences(text),
    ),
    "spanning_tree": lambda text: (draw(60, 61),),
    "train_embeddings": skip_gram,
    "entity_spans": lambda text: (draw(n_words(text), 4 * 18 + 1), sentences(text)),
}  # fmt: skip


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
    weights = network()
    modules = [m.name for m in pkgutil.iter_modules(kernels.__path__) if m.name[0] != "_"]
    for module in modules:
        slow = importlib.import_module(f"salient.kernels.{module}")
        fast = importlib.import_module(f"salient.kernels._{module}")
        for name in slow.__all__:
            part = text[:PAGE] if name in SLOW else text
            arguments = ARGUMENTS[name](part)
            twins = [
                encode(m, weights) if name == "Encoder" else getattr(m, name) for m in (slow, fast)
            ]
            defined, compiled = best(twins[0], arguments, 1), best(twins[1], arguments, RUNS)
            row[name] = {
                "compiled_mb_per_s": round(len(part) / compiled / 1e6, 1),
                "definition_mb_per_s": round(len(part) / defined / 1e6, 2),
                "times_faster": round(defined / compiled, 1),
                "keeps": defined / compiled >= WORTH,
            }
    with (ROOT / "bench" / "results" / "kernels.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    for name, value in row.items():
        print(name, value)


if __name__ == "__main__":
    main()
